"""Asks an EPMD which nodes it knows."""

import re

from distwall.doctor.probes import ask
from distwall.epmd.messages import NAMES_REQ

_REQUEST = b"\0\x01" + bytes([NAMES_REQ])
_LINE = re.compile(r"name (.+) at port (\d+)")


def names(address: str, port: int) -> dict[str, int] | None:
    """The names that an EPMD lists, with their ports; None if none answers there."""
    answer = ask(address, port, _REQUEST)
    if answer is None or len(answer) < 4 or int.from_bytes(answer[:4]) != port:
        return None
    lines = answer[4:].decode(errors="replace").splitlines()
    found = [match for match in map(_LINE.fullmatch, lines) if match]
    return {match[1]: int(match[2]) for match in found} if len(found) == len(lines) else None
