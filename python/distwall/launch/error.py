"""The error of a program that is not started."""


class NotGuardedError(Exception):
    """A program would not be guarded. The text is one line: what, where, what to do."""
