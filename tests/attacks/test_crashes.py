"""Bytes that end a VM, from a peer with a valid cookie that may do anything: distwall hangs up, the guarded node lives.

Those in ``BITES`` are tried on a node without distwall as well. Not tried there, for time or memory: 2^28 fragments
(10 GiB), more atoms or exports than a VM's tables hold.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from distwall._core import DistFlag
from tests.attacks.crashes import BITES, BITES_29, HELD_OFF
from tests.support.attack_scene import OPEN, WAYS, WITNESS, AttackScene, attack_scene
from tests.support.dist import EMPTY, OTP_29, plain
from tests.support.etf import Atom, Term

LATEST = Path(__file__).parents[2] / ".cache" / "otp" / "forky"
FLAGS_29 = OTP_29 & ~DistFlag.PUBLISHED


# Another release takes a chroot of 40 s and 400 MB: it is there after `make test-otp`, not in every checkout.
@pytest.mark.skipif(not (LATEST / ".complete").exists(), reason="no OTP 29: scripts/otp-chroot forky")
@pytest.mark.parametrize("through", ["direct", "distwall"])
@pytest.mark.parametrize("name", BITES_29)
def test_what_ends_the_latest_release_does_not_end_it_behind_distwall(name: str, through: str) -> None:
    """The same for OTP 29, which dies of other things as well; without distwall and behind it."""
    with AttackScene(None if through == "direct" else {OPEN: ["accept *"]}, otp=LATEST) as scene:
        scene.bar.eval("probe:start_server(target)")
        with scene.connect(flags=FLAGS_29, release=29) as peer:
            peer.send_raw(BITES_29[name](peer))
            assert peer.is_closed(5)
        assert scene.alive() == (through == "distwall")


@pytest.fixture(scope="module", params=WAYS)
def here(request: pytest.FixtureRequest) -> Iterator[AttackScene]:
    with attack_scene({OPEN: ["accept *"], WITNESS: ["accept *"]}, way=request.param) as here:
        here.bar.eval("probe:start_server(target)")
        yield here


@pytest.mark.parametrize("name", HELD_OFF)
def test_a_vm_that_would_die_lives(here: AttackScene, name: str) -> None:
    """A peer that may do anything sends what ends a VM; another peer's channel stays as it was."""
    with here.connect(WITNESS) as witness, here.connect() as peer:
        # It may end while the rest is being sent.
        with contextlib.suppress(ConnectionError):
            peer.send_raw(HELD_OFF[name](peer))
        assert peer.is_closed(5), "the channel ends"
        assert here.alive()
        assert not witness.is_closed(0.1)
        assert witness.call("target", Atom("get")) == 0


@pytest.mark.parametrize("name", BITES)
def test_without_distwall_it_dies(name: str) -> None:
    """The same against a node of its own, without distwall."""
    with AttackScene(None) as direct:
        direct.bar.eval("probe:start_server(target)")
        for _ in range(5):
            with direct.connect() as peer:
                peer.send_raw(BITES[name](peer))
                peer.is_closed(1)
            if not direct.alive():
                return
        pytest.fail("it lives")


@pytest.mark.parametrize("way", WAYS)
def test_atoms_run_out_before_the_vm_does(way: str) -> None:
    """New atoms in every place that holds atoms, thousands of them: those beyond the limit are refused."""
    limits = "limits = { new_atoms = 500, new_funs = 50 }"
    with attack_scene({OPEN: ["accept *"]}, extra=limits, way=way) as here, here.connect() as peer:
        here.bar.eval("probe:start_server(target)")
        before = here.bar.number("erlang:system_info(atom_count)")
        for i in range(60):
            names = [Atom(f"attack_{i}_{j}") for j in range(100)]
            options: Term = [(name, 1) for name in names]
            token = (1, list(names), 1, peer.pid(), 1)
            for data in (
                plain((6, peer.pid(), EMPTY, Atom("target")), list(names)),
                plain((6, peer.pid(), names[0], Atom("target")), 1),
                plain((16, peer.pid(), EMPTY, Atom("target"), token), 1),
                plain((29, peer.ref(), peer.pid(), peer.pid(), (Atom("m"), names[1], 0), options), []),
                plain((20, peer.pid(), names[2], peer.ref())),
            ):
                peer.send_raw(data)
        assert not peer.is_closed(0.3)
        assert here.bar.number("erlang:system_info(atom_count)") - before < 1000
        assert here.told("limit:new_atoms")
