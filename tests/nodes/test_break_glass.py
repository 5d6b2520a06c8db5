"""Break-glass as docs/break-glass.md tells it: its policy, its login, its trail; with a clock that the test moves."""

import hashlib
import hmac
import re
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes.in_process_scene import FOO, InProcessScene, in_process_scene
from tests.support.node import ErlangError, Node
from tests.support.scene import GUARD
from tests.support.wall import COMMAND, Peer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "break-glass.md").read_text()
POLICY, LOGIN = (
    re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0] for kind in ("toml", "erlang")
)
TRAIL = re.findall(r"^```\n(\$ distwall .*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
SECRET = b"the secret of ann's phone"
TABLE = "break_glass"
RULES = tomllib.loads(POLICY)["peers"][0]["rules"]
TABLES = POLICY[POLICY.index("[tables") : POLICY.index("[[peers]]")].replace("shop_sup", "kernel_sup")
QUARTER = 15 * 60


class Clock:
    """What the firewall takes for the module ``time``."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("firewall", "wall_clock"):
        monkeypatch.setattr(f"distwall.control.{module}.time", clock)
    return clock


@pytest.fixture
def here(tmp_path: Path, clock: Clock) -> Iterator[InProcessScene]:
    with in_process_scene(tmp_path, [Peer(RULES)], tables=TABLES, control='node = "distwall@127.0.0.1"') as here:
        source = tmp_path / "login.erl"
        source.write_text(LOGIN)
        here.bar.load(str(source.with_suffix("")))
        here.bar.eval(
            f'{{ok, _}} = login:start(#{{<<"ann">> => #{{node => \'{FOO}\', secret => <<"{SECRET.decode()}">>}}}})'
        )
        yield here


def now() -> int:
    """The step of RFC 6238."""
    return int(time.time()) // 30


def code(step: int) -> int:
    """What Ann's phone shows then. A login takes the code of the step before and of the one after as well."""
    mac = hmac.digest(SECRET, step.to_bytes(8), hashlib.sha1)
    at = mac[-1] & 15
    return (int.from_bytes(mac[at : at + 4]) & 0x7FFF_FFFF) % 1_000_000


def log_in(ann: Node, number: int) -> str:
    return ann.eval(f"erpc:call('{GUARD}', login, mfa, [<<\"ann\">>, {number}])")


def can_look(ann: Node) -> bool:
    looked = ann.eval(
        f"try erpc:call('{GUARD}', supervisor, which_children, [kernel_sup]) of [_ | _] -> looked"
        " catch error:{erpc, not_allowed} -> refused end"
    )
    return looked == "looked"


def anonymous(said: str) -> str:
    """Without what differs each time: times, lines, numbers, hashes."""
    return re.sub(r"[0-9a-f]{64}|\d{4}-\d\d-\d\dT|\d\d:\d\d:\d\d|:\d+ deny|\d+ lines|(?<=is )\d+", "<>", said)


def trail(here: InProcessScene, folder: Path) -> str:
    """What the commands on the page print."""
    (folder / "distwall.toml").write_text(here.wall.text)
    said = ""
    for command in re.findall(r"^\$ distwall (.*)$", PAGE, re.MULTILINE):
        done = subprocess.run([COMMAND, *command.split()], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
        said += f"$ distwall {command}\n{done.stdout}"
    return said


def test_the_page_holds_from_start_to_end(here: InProcessScene, clock: Clock, tmp_path: Path) -> None:
    ann = here.peer()
    firewall = here.firewall
    step = now()

    # All is refused but the login.
    assert not can_look(ann)
    assert log_in(ann, (code(step) + 1) % 1_000_000) == "refused"
    assert firewall.grants() == []

    # A login gives a quarter of an hour of what is in the table, and nothing beside it.
    assert log_in(ann, code(step)) == "ok"
    (grant,) = firewall.grants()
    assert (grant.node, grant.table, grant.seconds, grant.guard) == (FOO, TABLE, QUARTER, GUARD)
    assert (grant.actor, grant.reason) == (GUARD, "ann logged in")
    assert can_look(ann)
    with pytest.raises(ErlangError, match="not_allowed"):
        ann.eval(f"erpc:call('{GUARD}', os, cmd, [\"id\"])")
    # The code was used.
    assert log_in(ann, code(step)) == "refused"

    # distwall is restarted in the middle.
    clock.ahead += 10 * 60
    here.wall.end()
    here.wall.start()
    ann.wait_until(f"net_adm:ping('{GUARD}') =:= pong")
    assert can_look(ann)
    assert [(each.given, each.until) for each in here.firewall.grants()] == [(grant.given, grant.until)]

    # It is over when it would have been.
    clock.ahead += 5 * 60
    here.wall.wait_event("grant_expired", node=FOO, table=TABLE)
    assert not can_look(ann)

    # Once more, and taken away before its time by the guarded node.
    assert log_in(ann, code(step + 1)) == "ok"
    assert can_look(ann)
    assert here.bar.eval(f"distwall:revoke('{FOO}', {TABLE})") == "ok"
    assert not can_look(ann)
    here.wall.wait_event("grant_revoked", by=GUARD)

    # And all of it is on record, as the page has it.
    here.wall.end()
    said = trail(here, tmp_path)
    assert anonymous(said.replace(FOO, "ann@10.0.0.7").replace(GUARD, "bar@10.0.0.2")) == anonymous(TRAIL)


def test_a_token_opens_the_table_and_nothing_beyond(here: InProcessScene, clock: Clock) -> None:
    ann = here.peer()
    assert not can_look(ann)
    token = here.firewall.issue_token(FOO, TABLE, QUARTER, "orders is down, ticket 7", actor="unix:bob")
    show = f"gen_server:call({{distwall, '{GUARD}'}}, {{authenticate, \"{token}\"}})"
    assert ann.eval(show) == f"{{ok,{TABLE},{QUARTER}}}"
    assert can_look(ann)
    for beyond in ("which_children, [init]", "start_child, [kernel_sup, specification]"):
        with pytest.raises(ErlangError, match="not_allowed"):
            ann.eval(f"erpc:call('{GUARD}', supervisor, {beyond})")
    clock.ahead += QUARTER
    here.wall.wait_event("grant_expired", actor="token of unix:bob")
    assert not can_look(ann)
    assert ann.eval(show) == "{error,not_allowed}"
    here.wall.wait_event("token_refused", peer=FOO)


def test_five_wrong_codes_shut_the_account(here: InProcessScene) -> None:
    ann = here.peer()
    step = now()
    wrong = next(number for number in range(9) if number not in {code(step + more) for more in range(-2, 3)})
    assert [log_in(ann, wrong) for _ in range(5)] == ["refused"] * 5
    assert log_in(ann, code(step)) == "refused"
    assert here.firewall.grants() == []
