"""The event stream: refusals and all other events, as JSON lines in a file.

``AuditLog.record`` takes an event from any part of distwall. The modules, in the order of an event's way:

* ``event`` makes it safe, whatever a peer put into a name; ``schema`` lists all kinds and fields.
* ``flood_limiter`` keeps a flood of refusals short without losing count, ``entry_limiter`` the events that an entry's
  peers cause.
* ``chain`` seals it in one line.
* ``log_file`` brings lines to the disk, and ``anchor`` notes how far the log goes.
* ``recover`` finds where a log goes on after a crash, and ``verify`` checks a whole log.
* ``render`` shows an event to a human.
"""
