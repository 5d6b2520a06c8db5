"""EPMD's wire format."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distwall.epmd import messages
from distwall.epmd.messages import Alive2, BadAliveNameError, Names, Other, Port2, Reach, RequestError, parse
from tests.epmd.requests import alive2

BAR = Alive2("bar", 40000, 77, 0, 6, 5, b"")


def test_requests_are_read() -> None:
    assert parse(alive2()) == BAR
    assert parse(alive2(extra=b"xyz")) == Alive2("bar", 40000, 77, 0, 6, 5, b"xyz")
    assert parse(b"zbar") == Port2("bar")
    assert parse(b"zbar\0") == Port2("bar"), "some clients send a trailing NUL"
    assert parse(b"zfoo@10.0.0.7") == parse(b"zfoo@10.0.0.7\0") == Reach("foo@10.0.0.7")
    assert parse(b"n") == Names()
    assert [parse(each) for each in (b"d", b"k", b"sbar", b"\xff")] == [
        Other("dump"),
        Other("kill"),
        Other("stop"),
        Other("255"),
    ]


@pytest.mark.parametrize(
    "body",
    [b"", b"n?", b"x", alive2()[:-1], alive2() + b"\0", alive2(port=0), alive2()[:12], alive2(extra=b"xyz")[:-1]],
)
def test_malformed_requests_are_errors(body: bytes) -> None:
    with pytest.raises(RequestError):
        parse(body)


@pytest.mark.parametrize("name", ["bar", "rabbitmqcli-4711-rabbit", "a" * 255, "größe", "узел"])
def test_names_in_any_script_are_read(name: str) -> None:
    assert parse(b"z" + name.encode()) == Port2(name)


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"a" * 256,
        b"a b",
        b"a@b@c",
        b"@b",
        b"a@",
        b"a@b c",
        b"a" * 200 + b"@" + b"b" * 55,
        b"a\nb",
        b"\x7f",
        b"a\0b",
        b"\xff",
        "a\u202eb".encode(),
        "a\u2028b".encode(),
    ],
)
def test_what_is_no_name_is_refused(name: bytes) -> None:
    with pytest.raises(BadAliveNameError):
        parse(b"z" + name)
    with pytest.raises(BadAliveNameError):
        parse(alive2(name))


def test_a_full_name_does_not_register() -> None:
    with pytest.raises(BadAliveNameError):
        parse(alive2(b"a@b"))


def test_answers_are_as_epmd_writes_them() -> None:
    assert messages.alive2_answer(6, 0x01020304) == bytes.fromhex("76 00 01020304")
    assert messages.alive2_answer(5, 0x01020304) == bytes.fromhex("79 00 0002"), "one of the old creations, 1 to 3"
    assert messages.alive2_refusal(6) == bytes.fromhex("76 01 00000000")
    assert messages.alive2_refusal(5) == bytes.fromhex("79 01 0000")
    assert messages.port2_refusal() == bytes.fromhex("77 01")
    assert messages.port2_answer(BAR, 9100) == bytes.fromhex("77 00 238c 4d 00 0006 0005 0003 626172 0000")
    assert messages.reach_answer("foo@h", 9100) == bytes.fromhex("77 00 238c 4d 00 0006 0006 0003 666f6f 0000")
    assert messages.names_answer(4369, [("bar", 9100)]) == b"\x00\x00\x11\x11name bar at port 9100\n"


@given(st.binary(max_size=80) | st.builds(lambda head, rest: head + rest, st.sampled_from([b"x", b"z"]), st.binary()))
def test_garbage_is_a_request_or_refused(body: bytes) -> None:
    with contextlib.suppress(RequestError):
        parse(body)
