"""What a command line says of an Erlang node."""

from dataclasses import dataclass, field

import pytest

from distwall.doctor.checks import guarded_nodes
from distwall.doctor.erlang import Node
from distwall.net.processes import Process


@dataclass(frozen=True)
class _Process(Process):
    """A process that isn't there."""

    line: str = ""
    program: str = "/usr/lib/erlang/erts-13.1.5/bin/beam.smp"
    files: dict[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        return ["beam.smp", *self.line.split()]

    @property
    def executable(self) -> str:
        return self.program

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def names_in(self, path: str) -> list[str]:
        return sorted({each.removeprefix(f"{path}/").partition("/")[0] for each in self.files if each.startswith(path)})


def _node(line: str = "", program: str = "/usr/lib/erlang/erts-13.1.5/bin/beam.smp", **files: str) -> Node:
    return Node(_Process(1, line, program, {key.replace("__", "/"): text for key, text in files.items()}))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("-S 2:2 -- -root /r -bindir /b -- -home /h -- -name foo@h -noshell", "foo@h"),
        ("-- -sname foo", "foo"),
        ("-- -noshell", None),
        ("-- -noshell -extra -name foo@h", None),
    ],
)
def test_the_name_of_a_node_is_on_its_command_line(line: str, name: str | None) -> None:
    assert _node(line).name == name


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("-kernel a 1 connect_all false", "false"),
        ("-kernel a 1 -kernel connect_all false", "false"),
        ("-connect_all false", "false"),
        ("-kernel a", None),
        ("", None),
    ],
)
def test_settings_of_kernel_are_read_from_the_command_line(line: str, value: str | None) -> None:
    assert _node(line).kernel("connect_all") == value


@pytest.mark.parametrize(
    ("line", "inside"),
    [
        ("-kernel inet_dist_use_interface {127,0,0,1}", True),
        ("-kernel inet_dist_use_interface {0,0,0,0,0,0,0,1}", True),
        ("-kernel inet_dist_use_interface {10,0,0,1}", False),
        ("-kernel inet_dist_use_interface {300,0,0,1}", False),
        ("-kernel inet_dist_use_interface any", False),
        ("", False),
    ],
)
def test_interfaces_on_loopback_are_known_as_such(line: str, inside: bool) -> None:
    assert _node(line).on_loopback is inside


@pytest.mark.parametrize(
    ("program", "otp", "severity"),
    [
        ("/usr/lib/erlang/erts-10.6/bin/beam.smp", "24 or older", "problem"),
        ("/usr/lib/erlang/erts-12.3/bin/beam.smp", "24 or older", "problem"),
        ("/usr/lib/erlang/erts-13.1.5/bin/beam.smp", "25", None),
        ("/opt/app/erts-17.0/bin/beam.smp", "29", None),
        ("/opt/app/erts-18.0/bin/beam.smp", "30", "warning"),
        ("/opt/app/bin/beam.smp", None, None),
    ],
)
def test_old_releases_are_findings(program: str, otp: str | None, severity: str | None) -> None:
    node = _node("", program)
    assert node.otp == otp
    assert [finding.severity for finding in guarded_nodes.release([node])] == ([severity] if severity else [])


def test_releases_are_known_by_their_files() -> None:
    line, program = "-- -root /r", "/opt/beam.smp"
    assert (
        _node(line, program, **{"/r/releases/start_erl.data": "15.2 27\n", "/r/releases/27/OTP_VERSION": "27.3\n"}).otp
        == "27"
    )
    assert _node(line, program, **{"/r/releases/26/OTP_VERSION": "26.2.5\n"}).otp == "26"
    assert _node(line, program).otp is None


def test_cookies_on_the_command_line_are_found_and_not_shown() -> None:
    assert [finding.where for finding in guarded_nodes.cookie_argument([_node("-setcookie hush")])] == ["pid 1"]
    assert list(guarded_nodes.cookie_argument([_node("-name foo@h")])) == []
    assert "hush" not in str(next(guarded_nodes.cookie_argument([_node("-setcookie hush")])))
