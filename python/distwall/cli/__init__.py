"""The ``distwall`` command.

One module for each command; ``app`` puts them together, ``output`` has what they share. Exit codes: 0 fine, 1 trouble,
2 wrong usage or a policy that does not check. Errors are one line on stderr: what, where, what to do.
"""

from distwall.cli.app import main

__all__ = ["main"]
