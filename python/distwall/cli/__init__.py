"""The ``distwall`` command.

One module for each command, imported when it is called; ``app`` names them, ``output`` has their common functions.
Exit codes: 0 fine, 1 trouble, 2 wrong usage or a policy with errors. Errors are one line on stderr: what, where, what
to do.
"""

from distwall.cli.app import main

__all__ = ["main"]
