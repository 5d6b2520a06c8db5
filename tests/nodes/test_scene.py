"""The scene and its nodes themselves, without distwall."""

import os
import signal

import pytest

from tests.support.node import ErlangError
from tests.support.scene import GUARD, Scene


def test_terms_travel_with_their_meaning(direct: Scene) -> None:
    bar, foo = direct.guard(), direct.peer()
    pid = bar.term("probe:collector()")
    foo.eval(f"{pid} ! hello")
    assert bar.eval(f"probe:await({pid}, 1, 2000)") == "[hello]"


def test_nodes_meet_and_evaluate(direct: Scene) -> None:
    bar, foo = direct.guard(), direct.peer()
    assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
    assert bar.eval("nodes()") == "['foo@127.0.0.1']"
    assert foo.eval("A = 1, A + 1.") == "2"
    assert foo.number("40 + 2") == 42
    with pytest.raises(ErlangError, match=r"\{exit,boom\}"):
        foo.eval("exit(boom)")
    with pytest.raises(ErlangError, match=r"\{killed,killed\}"):
        foo.eval("exit(self(), kill), timer:sleep(1000)")
    with pytest.raises(TimeoutError, match="no value after"):
        foo.eval("timer:sleep(500)", timeout=0.1)
    assert foo.eval("node()") == "'foo@127.0.0.1'", "a late answer is not taken for another one's"
    milliseconds, value = foo.timed("timer:sleep(50), done")
    assert value == "done"
    assert 50 <= milliseconds < 1000


def test_what_is_left_ends() -> None:
    with Scene(None) as scene:
        foo = scene.peer()
        folder, pid = scene.folder, foo.pid
        bar = scene.guard()
        bar.stop()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
