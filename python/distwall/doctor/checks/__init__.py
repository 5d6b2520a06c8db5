"""The checks: one module for each kind of way round the firewall.

Each check is a function of the policy, the host or both, and gives its findings.
"""
