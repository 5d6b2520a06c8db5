"""Errors of calls of the runtime API. Each is one line: what, where, what to do."""


class ControlError(Exception):
    """A refused call, which has changed nothing."""


class BadCallError(ControlError):
    """An invalid argument: an unknown command or verdict, a key that the command doesn't take."""


class NotFoundError(ControlError):
    """A table, grant or channel that does not exist."""


class UnsafeStateError(ControlError):
    """A change that should survive a restart can't be saved: a setting was not made, a revocation could be undone."""
