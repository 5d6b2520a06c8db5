"""One client connection to EPMD.

A connection carries one request. All but ALIVE2_REQ are answered and closed; an accepted ALIVE2_REQ keeps its
connection open, and the registration lasts until that ends. What a client may do depends on where it connected
(`Rights`):

===================  ===============  ============  ==============  ===========
listener, client     register, reach  PORT2, NAMES  port shown      of nodes
===================  ===============  ============  ==============  ===========
for peers, any       no               yes           distwall's      visible
register, local      yes              yes           the node's own  all guarded
register, remote     no               no            -               -
one for both, local  yes              yes           distwall's      all guarded
one for both, other  no               yes           distwall's      visible
===================  ===============  ============  ==============  ===========

Whatever the listener, only names that ``[guard] nodes`` matches are shown or resolved, and to a client of another host
only those that the policy would let it connect to from where it is. On the register address they
resolve to the nodes' own ports: who asks there is a program of this host that was told to use distwall's EPMD as its
own (a guarded node looking up its mate, or a tool such as rabbitmqctl), and mates trust each other. A listener that
serves both can't tell such a program from an unguarded local node, so there everyone is led through the firewall.

Who may register is also shown where distwall's own node listens (``[control] node``), if it asks for it; lists don't
have it, and peers are told that there is no such node.

A guarded node that wants to reach another (``distwall_epmd`` asks for it) says the full name, with ``@``. It gets a
port on loopback: its mate's own, or the one of distwall's way out to that one node. These requests are told from the
others by their ``@``, so they are refused wherever a node can't register.
"""

from collections.abc import Callable
from dataclasses import dataclass

from distwall.epmd import messages
from distwall.epmd.messages import Alive2, BadAliveNameError, Names, Other, Port2, Reach, Request, RequestError
from distwall.epmd.registry import Registration, Registry

SELF = "distwall@distwall"
"""What `distwall exec` asks the way to: distwall says that it begins right here, and any other EPMD that it knows none.
"""

Outgoing = Callable[[str, str], int | None]
"""``(node, host)`` -> the port at loopback address ``host`` that leads to ``node``; None: it may not be reached."""


IsMate = Callable[[str], bool]
"""Whether a full name is the one of a guarded node of this host, if such a node runs: what registers is only the part
before ``@``, which nodes of other hosts may share.
"""

IsVisible = Callable[[str], bool]
"""Whether the policy may let this client connect to the guarded node that registered under a name."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What one client may do."""

    register: bool
    """May register nodes, and ask for the way out to others."""

    query: bool
    """May look nodes up."""

    real_ports: bool
    """Is shown the nodes' own ports rather than distwall's."""

    every_node: bool
    """Is shown all guarded nodes, not only those that the policy may let it connect to."""

    @classmethod
    def at_peers(cls) -> "Rights":
        """A client of the listener for peers."""
        return cls(register=False, query=True, real_ports=False, every_node=False)

    @classmethod
    def at_register(cls, *, local: bool) -> "Rights":
        """A client of the listener for guarded nodes. ``local``: it runs on this host."""
        return cls(register=local, query=local, real_ports=local, every_node=local)

    @classmethod
    def at_both(cls, *, local: bool) -> "Rights":
        """A client of a listener that serves peers and guarded nodes."""
        return cls(register=local, query=True, real_ports=False, every_node=local)


@dataclass(frozen=True, slots=True)
class EpmdAnswer:
    """What came of a request."""

    data: bytes
    """To be sent."""

    registration: Registration | None = None
    """The registration made: keep the connection open. If None, close it once ``data`` is sent."""

    refused: str | None = None
    """Why the request was refused, in one word; None if it was served."""

    detail: str = ""
    """More about the refusal."""


class EpmdSession:
    """Reads one request and decides it."""

    def __init__(
        self,
        registry: Registry,
        rights: Rights,
        *,
        port: int,
        host: str,
        outgoing: Outgoing = lambda _node, _host: None,
        is_mate: IsMate = lambda _: False,
        is_visible: IsVisible = lambda _: True,
    ) -> None:
        """A client of the EPMD at ``port``.

        ``host`` is the loopback address of its family: where it can be dialled if it registers, and where it dials
        what it wants to reach.
        """
        self._registry = registry
        self._rights = rights
        self._port = port
        self._host = host
        self._outgoing = outgoing
        self._is_mate = is_mate
        self._is_visible = is_visible
        self._buffer = bytearray()
        self._registration: Registration | None = None
        self._answered = False

    def receive(self, data: bytes) -> EpmdAnswer | None:
        """Feeds what the client sent. Returns an answer once, when the request is complete or can't be served.

        Never raises for what the bytes contain. Whatever follows the request is ignored.
        """
        if self._answered:
            return None
        self._buffer += data
        if len(self._buffer) < 2:
            return None
        length = int.from_bytes(self._buffer[:2])
        if length > messages.MAX_REQUEST:
            return self._refuse("too_long", f"{length} bytes")
        if len(self._buffer) < 2 + length:
            return None
        try:
            request = messages.parse(bytes(self._buffer[2 : 2 + length]))
        except BadAliveNameError as error:
            return self._refuse("bad_name", str(error))
        except RequestError as error:
            return self._refuse("malformed", str(error))
        self._finish()
        return self._serve(request)

    def closed(self) -> Registration | None:
        """The connection ended. Returns the registration that ended with it."""
        self._finish()
        registration, self._registration = self._registration, None
        if registration is not None:
            self._registry.unregister(registration)
        return registration

    def _serve(self, request: Request) -> EpmdAnswer:
        match request:
            case Alive2():
                return self._register(request)
            case Port2(name) if self._rights.register and (own := self._registry.own_node(name)):
                return EpmdAnswer(messages.port2_answer(own, own.port))
            case Port2(name) if self._rights.query:
                registration = self._registry.guarded(name)
                if registration is None:
                    return EpmdAnswer(messages.port2_refusal())
                if not self._shows(registration):
                    return EpmdAnswer(messages.port2_refusal(), refused="source", detail=f"asked for {name}")
                return EpmdAnswer(messages.port2_answer(registration.node, self._shown_port(registration)))
            case Reach(node):
                return self._reach(node)
            case Names() if self._rights.query:
                shown = [
                    (each.node.name, self._shown_port(each))
                    for each in self._registry.all_guarded()
                    if self._shows(each)
                ]
                return EpmdAnswer(messages.names_answer(self._port, shown))
            case Other(command):
                return self._refuse("command", command)
            case _:
                return self._refuse("not_local", "query")

    def _register(self, node: Alive2) -> EpmdAnswer:
        if not self._rights.register:
            return self._refuse("not_local", f"registration of {node.name}")
        outcome = self._registry.register(node, self._host)
        if isinstance(outcome, str):
            return EpmdAnswer(messages.alive2_refusal(node.highest), refused=outcome, detail=node.name)
        self._registration = outcome
        return EpmdAnswer(messages.alive2_answer(node.highest, outcome.creation), registration=outcome)

    def _reach(self, node: str) -> EpmdAnswer:
        if not self._rights.register:
            return self._refuse("bad_name", "full node name where only guarded nodes may ask for one")
        if node == SELF:
            return EpmdAnswer(messages.reach_answer(node, self._port))
        mate = self._registry.guarded(node.partition("@")[0]) if self._is_mate(node) else None
        if mate is not None and mate.host == self._host:
            port: int | None = mate.node.port
        else:
            port = self._outgoing(node, self._host)
        return EpmdAnswer(messages.port2_refusal() if port is None else messages.reach_answer(node, port))

    def _shows(self, registration: Registration) -> bool:
        return self._rights.every_node or self._is_visible(registration.node.name)

    def _shown_port(self, registration: Registration) -> int:
        if self._rights.real_ports or registration.public_port is None:
            return registration.node.port
        return registration.public_port

    def _refuse(self, reason: str, detail: str) -> EpmdAnswer:
        self._finish()
        return EpmdAnswer(b"", refused=reason, detail=detail)

    def _finish(self) -> None:
        self._answered = True
        self._buffer = bytearray()
