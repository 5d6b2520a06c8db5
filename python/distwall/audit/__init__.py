"""The event stream: what distwall refused and what happened to it, as JSON lines in a file.

Whoever has something to say calls ``AuditLog.record``; ``event`` turns it into one line that is safe whatever a peer
put into a name, ``file`` brings lines to the disk, ``fold`` keeps a flood of refusals short without losing count, and
``render`` shows an event to a human.
"""

from distwall.audit.event import Event
from distwall.audit.fold import Folder
from distwall.audit.log import AuditLog
from distwall.audit.render import describe

__all__ = ["AuditLog", "Event", "Folder", "describe"]
