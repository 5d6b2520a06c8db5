"""One client connection to EPMD.

A connection carries one request. Each request is answered, and the connection closed, except ALIVE2_REQ: an accepted
ALIVE2_REQ keeps its connection open, and the registration lasts as long. The address that a client connected to decides
what it may do (`Rights`):

===================  ===============  ============  ==============  ===========
listener, client     register, reach  PORT2, NAMES  port shown      of nodes
===================  ===============  ============  ==============  ===========
for peers, any       no               yes           distwall's      visible
register, local      yes              yes           the node's own  all guarded
register, remote     no               no            -               -
one for both, local  yes              yes           distwall's      all guarded
one for both, other  no               yes           distwall's      visible
===================  ===============  ============  ==============  ===========

Every listener shows and resolves only names that ``[guard] nodes`` matches. A client of another host sees only nodes
that the policy would let it connect to from there.

On the register address, names resolve to the nodes' own ports. A client there is a program of this host that was told
to use distwall's EPMD: a guarded node looking up its mate, or a tool such as rabbitmqctl; and mates trust each other. A
listener that serves both can't tell such a program from an unguarded local node, so it leads everyone through the
firewall.

A client with the right to register also gets the port of distwall's own node (``[control] node``), if it asks for it.
Lists don't contain that node, and peers are told that it does not exist.

A guarded node that wants to reach another (``distwall_epmd`` asks for it) sends the full name, with ``@``. It gets a
port on loopback: its mate's own port, or distwall's port for that one node. The ``@`` marks these requests, so they are
refused wherever a node can't register.
"""

from collections.abc import Callable
from dataclasses import dataclass

from distwall.epmd import messages
from distwall.epmd.messages import Alive2, BadAliveNameError, Names, Other, Port2, Reach, Request, RequestError
from distwall.epmd.registry import OpenListener, Registration, Registry
from distwall.node_name import NodeName

SELF = "distwall@distwall"
"""A name that `distwall exec` asks the way to. distwall answers with its own port; any other EPMD does not know it."""

IsVisible = Callable[[str], bool]
"""True if the policy may let this client connect to the guarded node registered under a name."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Rights of one client."""

    register: bool
    """True if it may register nodes, and ask for the way out to others."""

    query: bool
    """True if it may look nodes up."""

    real_ports: bool
    """True if it is shown the nodes' own ports rather than distwall's."""

    every_node: bool
    """True if it is shown all guarded nodes, not only nodes that the policy may let it connect to."""

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
    """Result of a request."""

    data: bytes
    """Bytes to send."""

    registration: Registration | None = None
    """The registration made: keep the connection open. If None, close it once ``data`` is sent."""

    refused: str | None = None
    """The reason for a refusal, in one word; None: served."""

    detail: str = ""
    """More about the refusal."""


@dataclass(frozen=True, slots=True)
class FindWay:
    """Request of a guarded node for the way to another: find the port, then call `EpmdSession.way_found`."""

    node: str
    """The full name."""

    host: str
    """The loopback address that it is going to dial."""

    mate_port: int | None
    """Port of the guarded node that registered there under the part before ``@``, if there is one.

    Use it only if the full name belongs to that node: nodes of other hosts may share the part before ``@``.
    """


class EpmdSession:
    """Reads one request and decides it."""

    def __init__(
        self,
        registry: Registry,
        rights: Rights,
        *,
        port: int,
        host: str,
        is_visible: IsVisible = lambda _: True,
    ) -> None:
        """Waits for a request of a client of the EPMD at ``port``.

        ``host`` is the loopback address of the client's family: the client can be dialled there if it registers, and it
        dials other nodes there.
        """
        self._registry = registry
        self._rights = rights
        self._port = port
        self._host = host
        self._is_visible = is_visible
        self._buffer = bytearray()
        self._registration: Registration | None = None
        self._answered = False

    def receive(self, data: bytes) -> EpmdAnswer | OpenListener | FindWay | None:
        """Takes bytes of the client. Returns an answer once, when the request is complete or refused.

        For an `OpenListener` or a `FindWay` the caller does what it asks for; `opened` or `way_found` then returns the
        answer. Never raises, for any bytes. Bytes behind the request are ignored.
        """
        if self._answered:
            return None
        self._buffer += data
        if len(self._buffer) < messages.LENGTH:
            return None
        length = int.from_bytes(self._buffer[: messages.LENGTH])
        if length > messages.MAX_REQUEST:
            return self._refuse("too_long", f"{length} bytes")
        if len(self._buffer) < messages.LENGTH + length:
            return None
        try:
            request = messages.parse(bytes(self._buffer[messages.LENGTH : messages.LENGTH + length]))
        except BadAliveNameError as error:
            return self._refuse("bad_name", str(error))
        except RequestError as error:
            return self._refuse("malformed", str(error))
        self._finish()
        return self._serve(request)

    def opened(self, asked: OpenListener, port: int | None) -> EpmdAnswer:
        """Return the answer to a guarded node that registers; peers reach it at ``port``, or not at all (None)."""
        return self._registered(asked.node, self._registry.opened(asked, port))

    def way_found(self, asked: FindWay, port: int | None) -> EpmdAnswer:
        """Return the answer to a request for the way; ``port`` leads there, or None: the node may not be reached."""
        return EpmdAnswer(messages.port2_refusal() if port is None else messages.reach_answer(asked.node, port))

    def closed(self) -> Registration | None:
        """Takes the end of the connection. Returns the registration that ended with it."""
        self._finish()
        registration, self._registration = self._registration, None
        if registration is not None:
            self._registry.unregister(registration)
        return registration

    def _serve(self, request: Request) -> EpmdAnswer | OpenListener | FindWay:
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

    def _register(self, node: Alive2) -> EpmdAnswer | OpenListener:
        if not self._rights.register:
            return self._refuse("not_local", f"registration of {node.name}")
        outcome = self._registry.register(node, self._host)
        return outcome if isinstance(outcome, OpenListener) else self._registered(node, outcome)

    def _registered(self, node: Alive2, outcome: Registration | str) -> EpmdAnswer:
        if isinstance(outcome, str):
            return EpmdAnswer(messages.alive2_refusal(node.highest), refused=outcome, detail=node.name)
        self._registration = outcome
        return EpmdAnswer(messages.alive2_answer(node.highest, outcome.creation), registration=outcome)

    def _reach(self, node: str) -> EpmdAnswer | FindWay:
        if not self._rights.register:
            return self._refuse("bad_name", "full node name where only guarded nodes may ask for one")
        if node == SELF:
            return EpmdAnswer(messages.reach_answer(node, self._port))
        mate = self._registry.guarded(NodeName.of(node).alive)
        return FindWay(node, self._host, mate.node.port if mate is not None and mate.host == self._host else None)

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
