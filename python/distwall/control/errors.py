"""What can be wrong with a call of the runtime API. Each is one line: what, where, what to do."""


class ControlError(Exception):
    """A call that was refused; nothing has changed."""


class BadCallError(ControlError):
    """An argument that makes no sense: an unknown command or verdict, a key that the command doesn't take."""


class NotFoundError(ControlError):
    """What a call names isn't there: a table, a grant, a channel."""


class UnsafeStateError(ControlError):
    """What was to survive a restart can't be saved, so it does not hold now either."""
