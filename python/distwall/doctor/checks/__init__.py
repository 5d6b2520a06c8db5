"""The checks: one module for each thing that would get round the firewall.

Each is a function of the policy, the host or both, and gives what it found.
"""
