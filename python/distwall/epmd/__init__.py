"""The EPMD that distwall serves: requests in, answers out, no sockets.

Four nouns. A **request** is a client's question (`distwall.epmd.messages`). A **registration** is one node's name and
port, and lives as long as the connection that made it. The **registry** holds all registrations. A **session** is one
client connection; its **rights** limit what that client may do, and choose the port that it is shown.
"""

from distwall.epmd.registry import OpenListener, Registration, Registry
from distwall.epmd.session import EpmdAnswer, EpmdSession, FindWay, Rights

__all__ = ["EpmdAnswer", "EpmdSession", "FindWay", "OpenListener", "Registration", "Registry", "Rights"]
