"""The EPMD that distwall serves: requests in, answers out, no sockets.

Four nouns: a **request** is what a client asked (`distwall.epmd.messages`); a **registration** is one node's name and
port, and lives as long as the connection that made it; the **registry** holds them all; a **session** is one client
connection, and its **rights** say what that client may do and which port it is shown.
"""

from distwall.epmd.rate import Rate
from distwall.epmd.registry import Registration, Registry
from distwall.epmd.session import EpmdAnswer, EpmdSession, IsMate, Outgoing, Rights

__all__ = ["EpmdAnswer", "EpmdSession", "IsMate", "Outgoing", "Rate", "Registration", "Registry", "Rights"]
