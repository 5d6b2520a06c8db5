"""The event stream: what distwall refused and what happened to it, as JSON lines in a file.

Whoever has something to say calls ``AuditLog.record``; ``event`` makes of it something that is safe whatever a peer put
into a name (``schema`` says what there is), ``chain`` seals it in one line, ``log_file`` brings lines to the disk,
anchored by ``anchor``; ``recover`` says how a log goes on, and ``verify`` whether it is as it was written.
``flood_limiter`` keeps a flood of refusals short without losing count, and ``render`` shows an event to a human.
"""

from distwall.audit.event import Event
from distwall.audit.flood_limiter import FloodLimiter
from distwall.audit.log import AuditLog
from distwall.audit.log_file import InUseError, Rotation
from distwall.audit.render import describe

__all__ = ["AuditLog", "Event", "FloodLimiter", "InUseError", "Rotation", "describe"]
