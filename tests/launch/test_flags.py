"""Flags that an emulator will be given, as far as they can be seen."""

import subprocess
from pathlib import Path

import pytest

from distwall.launch.flags import Flag, flags_of, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("  -a  1\t2\n", ["-a", "1", "2"]),
        ("-a '1 2' \"3 4\"", ["-a", "1 2", "3 4"]),
        (r"-a 1\ 2 \"3 \\", ["-a", "1 2", '"3', "\\"]),
        ("-a x'y z'w", ["-a", "xy zw"]),
    ],
)
def test_a_text_is_split_into_words(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize("text", ["-a '1 2' \"3 4\" x'y z'w", r"-a 1\ 2 \"3 \\", '-a "b\\"c" \'d"e\'', "-a b#c"])
def test_words_are_split_as_the_emulator_does(text: str) -> None:
    printed = subprocess.run(
        ["erl", "-noshell", "-eval", 'io:format("~tp", [init:get_argument(a)]), halt().'],
        env={"PATH": "/usr/bin:/bin", "ERL_ZFLAGS": text},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    values = ",".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words(text)[1:])
    assert printed == f"{{ok,[[{values}]]}}"


def test_flags_are_found_in_variables_and_files(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.write_text("-c 3 # -d 4\n")
    args = tmp_path / "vm.args"
    args.write_text(f"# -x\n-b 2\n-args_file {inner}\n-args_file {args}\n")
    environment = {
        "ERL_FLAGS": "-e 5",
        "ERL_OTP25_FLAGS": "-f",
        "RELEASE_VM_ARGS": str(tmp_path / "none"),
        "HOME": "-g",
    }
    found = set(flags_of(["erl", "-a", "1", "-args_file", str(args)], environment))
    assert found >= {
        Flag("the command line", "-a", ("1",)),
        Flag(str(args), "-b", ("2",)),
        Flag(str(inner), "-c", ("3",)),
        Flag("ERL_FLAGS", "-e", ("5",)),
        Flag("ERL_OTP25_FLAGS", "-f", ()),
    }
    assert not {flag.name for flag in found} & {"-x", "-d", "-g"}


def test_flags_within_an_argument_are_found() -> None:
    found = flags_of(["iex", "--erl", "-proto_dist inet6_tcp -a", "--name", "bar@h"], {})
    assert Flag("the command line, --erl", "-proto_dist", ("inet6_tcp",)) in found
    assert Flag("the command line", "--name", ("bar@h",)) in found


def test_a_flag_says_where_it_is() -> None:
    assert str(Flag("ERL_FLAGS", "-kernel", ("a", "b"))) == "ERL_FLAGS: -kernel a b"
