"""Distribution frames, both atom caches and control messages, as a reference model for tests.

A :class:`Sender` frames messages as an OTP node does; each atom can go as a new cache entry, as a cached one or inline.
A :class:`Receiver` has the receiving node's cache and fails where a VM would. It raises :class:`Closed` where a VM
drops the connection, and :class:`~tests.support.etf.VmCrash` where it dies. It remembers every atom that it had to
create.
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from distwall._core import KNOWN_FLAGS, DistFlag
from tests.support.etf import Atom, Reader, Term, Undecodable, VmCrash, encode, inline

TICK = bytes(4)
FRAGMENT = 64 * 1024
SLOTS = 2048
OTP_SLOTS = 2039
MAX_FRAGMENTS = 1 << 24
"""More fragments than this abort a VM: it allocates 40 bytes for each at once."""

EMPTY = Atom("")
UNDEFINED = Atom("undefined")


OTP_29 = KNOWN_FLAGS & ~(DistFlag.ATOM_CACHE | DistFlag.HIDDEN_ATOM_CACHE | DistFlag.NAME_ME)
OTP_28 = OTP_29 & ~DistFlag.NATIVE_RECORDS
OTP_25 = OTP_28 & ~DistFlag.ALTACT_SIG
C_NODE = 0x407074F9C
PASS_THROUGH = OTP_25 & ~(DistFlag.DIST_HDR_ATOM_CACHE | DistFlag.FRAGMENTS)
NO_CACHE = OTP_25 & ~DistFlag.DIST_HDR_ATOM_CACHE
NO_EXIT_PAYLOAD = PASS_THROUGH & ~DistFlag.EXIT_PAYLOAD


class Op(enum.IntEnum):
    LINK = 1
    SEND = 2
    EXIT = 3
    UNLINK = 4
    NODE_LINK = 5
    REG_SEND = 6
    GROUP_LEADER = 7
    EXIT2 = 8
    SEND_TT = 12
    EXIT_TT = 13
    REG_SEND_TT = 16
    EXIT2_TT = 18
    MONITOR_P = 19
    DEMONITOR_P = 20
    MONITOR_P_EXIT = 21
    SEND_SENDER = 22
    SEND_SENDER_TT = 23
    PAYLOAD_EXIT = 24
    PAYLOAD_EXIT_TT = 25
    PAYLOAD_EXIT2 = 26
    PAYLOAD_EXIT2_TT = 27
    PAYLOAD_MONITOR_P_EXIT = 28
    SPAWN_REQUEST = 29
    SPAWN_REQUEST_TT = 30
    SPAWN_REPLY = 31
    SPAWN_REPLY_TT = 32
    ALIAS_SEND = 33
    ALIAS_SEND_TT = 34
    UNLINK_ID = 35
    UNLINK_ID_ACK = 36
    ALTACT_SIG_SEND = 37


class Alt(enum.IntFlag):
    """Flags of ALTACT_SIG_SEND."""

    PRIO = 1
    TOKEN = 2
    ALIAS = 4
    NAME = 8
    EXIT = 16


FIELDS: dict[Op, tuple[str, ...]] = {
    Op.LINK: ("from", "to"),
    Op.SEND: ("unused", "to"),
    Op.EXIT: ("from", "to", "reason"),
    Op.UNLINK: ("from", "to"),
    Op.NODE_LINK: (),
    Op.REG_SEND: ("from", "unused", "to"),
    Op.GROUP_LEADER: ("from", "to"),
    Op.EXIT2: ("from", "to", "reason"),
    Op.SEND_TT: ("unused", "to", "token"),
    Op.EXIT_TT: ("from", "to", "token", "reason"),
    Op.REG_SEND_TT: ("from", "unused", "to", "token"),
    Op.EXIT2_TT: ("from", "to", "token", "reason"),
    Op.MONITOR_P: ("from", "to", "ref"),
    Op.DEMONITOR_P: ("from", "to", "ref"),
    Op.MONITOR_P_EXIT: ("from", "to", "ref", "reason"),
    Op.SEND_SENDER: ("from", "to"),
    Op.SEND_SENDER_TT: ("from", "to", "token"),
    Op.PAYLOAD_EXIT: ("from", "to"),
    Op.PAYLOAD_EXIT_TT: ("from", "to", "token"),
    Op.PAYLOAD_EXIT2: ("from", "to"),
    Op.PAYLOAD_EXIT2_TT: ("from", "to", "token"),
    Op.PAYLOAD_MONITOR_P_EXIT: ("from", "to", "ref"),
    Op.SPAWN_REQUEST: ("ref", "from", "group_leader", "mfa", "options"),
    Op.SPAWN_REQUEST_TT: ("ref", "from", "group_leader", "mfa", "options", "token"),
    Op.SPAWN_REPLY: ("ref", "to", "flags", "result"),
    Op.SPAWN_REPLY_TT: ("ref", "to", "flags", "result", "token"),
    Op.ALIAS_SEND: ("from", "to"),
    Op.ALIAS_SEND_TT: ("from", "to", "token"),
    Op.UNLINK_ID: ("id", "from", "to"),
    Op.UNLINK_ID_ACK: ("id", "from", "to"),
    Op.ALTACT_SIG_SEND: ("flags", "from", "to"),
}

PAYLOAD = frozenset(
    {
        *(Op.SEND, Op.REG_SEND, Op.SEND_TT, Op.REG_SEND_TT, Op.SEND_SENDER, Op.SEND_SENDER_TT),
        *(Op.PAYLOAD_EXIT, Op.PAYLOAD_EXIT_TT, Op.PAYLOAD_EXIT2, Op.PAYLOAD_EXIT2_TT, Op.PAYLOAD_MONITOR_P_EXIT),
        *(Op.SPAWN_REQUEST, Op.SPAWN_REQUEST_TT, Op.ALIAS_SEND, Op.ALIAS_SEND_TT, Op.ALTACT_SIG_SEND),
    }
)

CATEGORY: dict[Op, str] = {
    Op.LINK: "link",
    Op.SEND: "send",
    Op.EXIT: "exit",
    Op.UNLINK: "unlink",
    Op.REG_SEND: "reg_send",
    Op.GROUP_LEADER: "group_leader",
    Op.EXIT2: "exit2",
    Op.SEND_TT: "send",
    Op.EXIT_TT: "exit",
    Op.REG_SEND_TT: "reg_send",
    Op.EXIT2_TT: "exit2",
    Op.MONITOR_P: "monitor",
    Op.DEMONITOR_P: "demonitor",
    Op.MONITOR_P_EXIT: "monitor_exit",
    Op.SEND_SENDER: "send",
    Op.SEND_SENDER_TT: "send",
    Op.PAYLOAD_EXIT: "exit",
    Op.PAYLOAD_EXIT_TT: "exit",
    Op.PAYLOAD_EXIT2: "exit2",
    Op.PAYLOAD_EXIT2_TT: "exit2",
    Op.PAYLOAD_MONITOR_P_EXIT: "monitor_exit",
    Op.SPAWN_REQUEST: "spawn_request",
    Op.SPAWN_REQUEST_TT: "spawn_request",
    Op.SPAWN_REPLY: "spawn_reply",
    Op.SPAWN_REPLY_TT: "spawn_reply",
    Op.ALIAS_SEND: "alias_send",
    Op.ALIAS_SEND_TT: "alias_send",
    Op.UNLINK_ID: "unlink",
    Op.UNLINK_ID_ACK: "unlink_ack",
}
"""The policy's command of every op but ALTACT_SIG_SEND, whose flags decide."""

COMMANDS = tuple(sorted(set(CATEGORY.values())))


class Nothing(enum.Enum):
    NOTHING = 0


NOTHING = Nothing.NOTHING


@dataclass(frozen=True, slots=True)
class Message:
    """A control message and its payload (``NOTHING`` without one)."""

    control: Term
    payload: Term | Nothing = NOTHING

    @property
    def op(self) -> Op:
        assert isinstance(self.control, tuple)
        return Op(self.control[0])

    @property
    def args(self) -> dict[str, Term]:
        assert isinstance(self.control, tuple)
        names = FIELDS[self.op]
        if self.op is Op.ALTACT_SIG_SEND and len(self.control) == 5:
            names = (*names, "token")
        return dict(zip(names, self.control[1:], strict=True))

    @property
    def command(self) -> str:
        if self.op is not Op.ALTACT_SIG_SEND:
            return CATEGORY[self.op]
        flags = Alt(int(str(self.args["flags"])))
        if flags & Alt.EXIT:
            return "exit2"
        return "alias_send" if flags & Alt.ALIAS else "reg_send" if flags & Alt.NAME else "send"

    def __repr__(self) -> str:
        payload = "" if self.payload is NOTHING else f" {self.payload!r}"
        return f"<{self.control!r}{payload}>"


def message(op: Op, *args: Term, payload: Term | Nothing = NOTHING) -> Message:
    """A well-formed message; for others, make a :class:`Message`."""
    extra = op is Op.ALTACT_SIG_SEND and len(args) == 4
    assert len(args) == len(FIELDS[op]) + extra, f"{op.name} has {FIELDS[op]}"
    assert (payload is not NOTHING) == (op in PAYLOAD), f"payload of {op.name}"
    return Message((int(op), *args), payload)


def frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def pass_through(control: Term, payload: Term | Nothing = NOTHING) -> bytes:
    """A frame of the form used without header cache and fragments."""
    parts = (control,) if payload is NOTHING else (control, payload)
    return frame(b"p" + b"".join(b"\x83" + encode(part) for part in parts))


def plain(control: Term, payload: Term | Nothing = NOTHING) -> bytes:
    """A frame with an empty dist header and all atoms inline: what may be put in between at any frame boundary."""
    parts = (control,) if payload is NOTHING else (control, payload)
    return frame(b"\x83D\0" + b"".join(encode(part) for part in parts))


# === sending ===

Style = Literal["otp", "new", "inline"]
"""Spelling of an atom: as OTP would, as a new cache entry even if it is cached, or in full inside the term."""


def otp_slot(atom: Atom) -> int:
    """A stand-in for OTP's ``atom index modulo 2039``."""
    return zlib.crc32(atom.encode()) % OTP_SLOTS


@dataclass
class Header:
    """The dist header of one message while its terms are being encoded."""

    cache: dict[int, Atom] | None
    style: Callable[[Atom], Style] = lambda _: "otp"
    slot: Callable[[Atom], int] = otp_slot
    refs: list[tuple[int, Atom, bool]] = field(default_factory=list)
    index: dict[Atom, int] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)

    def atom(self, atom: Atom) -> bytes:
        if atom in self.index:
            return bytes((82, self.index[atom]))
        style = self.style(atom)
        slot = self.slot(atom)
        if self.cache is None or style == "inline" or slot in self.taken or len(self.refs) == 255:
            return inline(atom)
        new = style == "new" or self.cache.get(slot) != atom
        self.cache[slot] = atom
        self.taken.add(slot)
        self.index[atom] = len(self.refs)
        self.refs.append((slot, atom, new))
        return bytes((82, self.index[atom]))

    def encode(self) -> bytes:
        """Count, flags and references: what follows ``131 68``."""
        if not self.refs:
            return b"\0"
        long = any(len(atom.encode()) > 255 for _, atom, _ in self.refs)
        nibbles = [(slot >> 8) | (8 if new else 0) for slot, _, new in self.refs] + [int(long)]
        if len(nibbles) % 2:
            nibbles.append(0)
        out = bytearray([len(self.refs)])
        out += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
        for slot, atom, new in self.refs:
            out.append(slot & 255)
            if new:
                text = atom.encode()
                out += struct.pack(">H" if long else ">B", len(text)) + text
        return bytes(out)


class Sender:
    """One direction of a connection as its sending node sees it."""

    def __init__(self, flags: int = OTP_25, *, slot: Callable[[Atom], int] = otp_slot) -> None:
        self.flags = flags
        self.cache: dict[int, Atom] | None = {} if self.flags & DistFlag.DIST_HDR_ATOM_CACHE else None
        self.slot = slot
        self.sequence = 0x7F00_0000_0000

    def frames(
        self,
        message: Message,
        *,
        style: Style | Callable[[Atom], Style] = "otp",
        fragment: int = FRAGMENT,
        sequence: int | None = None,
    ) -> list[bytes]:
        """The frames of one message: several if it must be cut into fragments of ``fragment`` bytes.

        The caller may put frames of other messages between them. ``sequence`` is the sequence id; 0 makes no choice.
        """
        if not self.flags & (DistFlag.DIST_HDR_ATOM_CACHE | DistFlag.FRAGMENTS):
            return [pass_through(message.control, message.payload)]
        header = Header(self.cache, style if callable(style) else lambda _: style, self.slot)
        control = encode(message.control, header.atom)
        payload = b"" if message.payload is NOTHING else encode(message.payload, header.atom)
        if not self.flags & DistFlag.FRAGMENTS or (len(control) + len(payload) <= fragment and sequence is None):
            return [frame(b"\x83D" + header.encode() + control + payload)]
        if sequence is None:
            self.sequence += 8
            sequence = self.sequence
        first = max(fragment - len(control), 0)
        pieces = [payload[:first], *(payload[at : at + fragment] for at in range(first, len(payload), fragment))]
        return [
            *[frame(b"\x83E" + struct.pack(">QQ", sequence, len(pieces)) + header.encode() + control + pieces[0])],
            *(
                frame(b"\x83F" + struct.pack(">QQ", sequence, left) + piece)
                for left, piece in zip(range(len(pieces) - 1, 0, -1), pieces[1:], strict=True)
            ),
        ]

    def bytes(
        self, *messages: Message, style: Style | Callable[[Atom], Style] = "otp", fragment: int = FRAGMENT
    ) -> bytes:
        return b"".join(part for one in messages for part in self.frames(one, style=style, fragment=fragment))


# === receiving ===


class Closed(Exception):
    """The VM closes the connection."""


@dataclass
class OpenSequence:
    header: list[Atom]
    control: Term
    left: int
    payload: bytearray
    used: set[int]


class Receiver:
    """One direction of a connection as its receiving node sees it; decodes payloads eagerly."""

    def __init__(self, flags: int = OTP_25, *, release: int = 25) -> None:
        self.flags = flags
        self.release = release
        self.cache: dict[int, Atom] = {}
        self.open: dict[int, OpenSequence] = {}
        self.buffer = bytearray()
        self.atoms: set[Atom] = set()
        """Every atom that came in full: what the VM had to look up or create."""
        self.unused: set[Atom] = set()
        """Atoms of headers that no term of their message used."""
        self.ticks = 0

    def feed(self, data: bytes) -> list[Message]:
        """The messages that ``data`` completes. Bytes of an incomplete frame wait."""
        self.buffer += data
        messages: list[Message] = []
        while len(self.buffer) >= 4:
            length = int.from_bytes(self.buffer[:4], "big")
            if length >= 0x7FFFFFFC:
                raise Closed("frame length")
            if len(self.buffer) < 4 + length:
                break
            body = bytes(self.buffer[4 : 4 + length])
            del self.buffer[: 4 + length]
            messages += self.body(body)
        return messages

    def done(self) -> bool:
        """True if no message is half received."""
        return not self.buffer and not self.open

    def body(self, body: bytes) -> Iterator[Message]:
        try:
            yield from self._body(body)
        except Undecodable as error:
            raise Closed(f"corrupted: {error}") from error

    def _body(self, body: bytes) -> Iterator[Message]:
        if not body:
            self.ticks += 1
        elif not self.flags & (DistFlag.DIST_HDR_ATOM_CACHE | DistFlag.FRAGMENTS):
            yield self._pass_through(body)
        elif body[:2] == b"\x83D":
            header, position = self._header(body, 2)
            yield self._whole(body, position, header)
        elif body[:2] == b"\x83E":
            yield from self._first(body)
        elif body[:2] == b"\x83F":
            yield from self._next(body)
        else:
            raise Closed("header magic")

    def _pass_through(self, body: bytes) -> Message:
        reader = Reader(body, release=self.release, position=1)
        terms: list[Term] = []
        while not reader.at_end() and len(terms) < 2:
            if reader.take(1) != b"\x83":
                raise Undecodable("no version")
            terms.append(reader.term())
        self.atoms |= reader.seen
        return self._message(terms)

    def _header(self, body: bytes, position: int) -> tuple[list[Atom], int]:
        reader = Reader(body, position=position)
        (count,) = reader.take(1)
        if not count:
            return [], reader.position
        if not self.flags & DistFlag.DIST_HDR_ATOM_CACHE:
            raise VmCrash("there is no cache")
        flags = reader.take(count // 2 + 1)
        nibbles = [flags[index // 2] >> (4 * (index % 2)) & 15 for index in range(count + 1)]
        atoms = []
        for nibble in nibbles[:count]:
            (index,) = reader.take(1)
            slot = (nibble & 7) << 8 | index
            if nibble & 8:
                self.cache[slot] = reader.text(reader.number("H" if nibbles[count] & 1 else "B"))
            if slot not in self.cache:
                raise Closed("an empty cache slot")
            atoms.append(self.cache[slot])
        self.atoms |= reader.seen
        return atoms, reader.position

    def _whole(self, body: bytes, position: int, header: list[Atom]) -> Message:
        reader = Reader(body, header, release=self.release, position=position)
        terms = [reader.term()]
        if not reader.at_end():
            terms.append(reader.term())
        self.atoms |= reader.seen
        self.unused |= {atom for index, atom in enumerate(header) if index not in reader.used}
        if not reader.at_end():
            raise Undecodable("trailing bytes, which a VM ignores and nobody sends")
        return self._message(terms)

    def _first(self, body: bytes) -> Iterator[Message]:
        if len(body) < 18:
            raise Closed("cut off")
        sequence, left = struct.unpack(">QQ", body[2:18])
        if left == 0 or left > MAX_FRAGMENTS or (sequence == 0 and left > 1):
            raise VmCrash("fragment id")
        if sequence in self.open:
            raise Closed("the sequence is already open")
        header, position = self._header(body, 18)
        reader = Reader(body, header, release=self.release, position=position)
        control = reader.term()
        self.atoms |= reader.seen
        self.open[sequence] = OpenSequence(header, control, left, bytearray(body[reader.position :]), reader.used)
        yield from self._complete(sequence)

    def _next(self, body: bytes) -> Iterator[Message]:
        if len(body) < 18:
            raise VmCrash("reads behind the frame")
        sequence, left = struct.unpack(">QQ", body[2:18])
        if sequence not in self.open or self.open[sequence].left - 1 != left or left == 0:
            raise Closed("order of fragments")
        self.open[sequence].left = left
        self.open[sequence].payload += body[18:]
        yield from self._complete(sequence)

    def _complete(self, sequence: int) -> Iterator[Message]:
        entry = self.open[sequence]
        if entry.left > 1:
            return
        del self.open[sequence]
        reader = Reader(bytes(entry.payload), entry.header, release=self.release)
        terms = [entry.control]
        if not reader.at_end():
            terms.append(reader.term())
        self.atoms |= reader.seen
        used = entry.used | reader.used
        self.unused |= {atom for index, atom in enumerate(entry.header) if index not in used}
        if not reader.at_end():
            raise Undecodable("trailing bytes, which a VM ignores and nobody sends")
        yield self._message(terms)

    def _message(self, terms: Sequence[Term]) -> Message:
        if not terms or not isinstance(terms[0], tuple) or not terms[0]:
            raise Closed("control is not a tuple")
        if len(terms) == 1 and terms[0][0] in PAYLOAD:
            raise Closed("no payload")
        return Message(terms[0], terms[1] if len(terms) > 1 else NOTHING)


def split_frames(data: bytes) -> Iterable[bytes]:
    """The frames of a stream, each with its length."""
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        yield data[position : position + 4 + length]
        position += 4 + length
