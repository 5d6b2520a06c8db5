"""Named attacks, each with the widest policy that has to stop it.

An `Attack` says what it does, under which rules it has to fail and how, and by what one would see that it has not
failed. `test_corpus` runs each without distwall, where it must succeed, and through distwall: as it is, in fragments,
by pid, and on a connection that the guarded node opened. ``python -m tests.attacks.corpus`` writes `docs/attacks.md`.
"""

from collections.abc import Mapping

from tests.attacks.corpus import (
    behaviours,
    calls,
    devices,
    echoes,
    exhaustion,
    forging,
    framing,
    options,
    patterns,
    relays,
    scopes,
    servers,
    services,
    signals,
    spawns,
)
from tests.attacks.corpus.attack import Attack

CHAPTERS: Mapping[str, list[Attack]] = {
    "Spawning": spawns.ATTACKS,
    "Calls": calls.ATTACKS,
    "rex and net_kernel": relays.ATTACKS,
    "Behaviours": behaviours.ATTACKS,
    "OTP's own servers": servers.ATTACKS,
    "Devices": devices.ATTACKS,
    "Signals": signals.ATTACKS,
    "Scopes and names": scopes.ATTACKS,
    "Echoes and races": echoes.ATTACKS,
    "Options and lists": options.ATTACKS,
    "Patterns": patterns.ATTACKS,
    "Services": services.ATTACKS,
    "Forging": forging.ATTACKS,
    "Exhaustion": exhaustion.ATTACKS,
    "Bytes": framing.ATTACKS,
}

ATTACKS: Mapping[str, Attack] = {attack.name: attack for chapter in CHAPTERS.values() for attack in chapter}
assert len(ATTACKS) == sum(map(len, CHAPTERS.values())), "a name twice"
