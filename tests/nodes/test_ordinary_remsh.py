"""A shell on the guarded node, from a terminal of the peer."""

import os
import re

import pytest

from tests.nodes.ordinary import refused
from tests.support.scene import GUARD, Scene
from tests.support.terminal import terminal
from tests.support.wall import CLUSTER_COOKIE, Peer

FOO = "foo@127.0.0.1"
ENTRY = Peer(["deny *", "accept ping", "accept remsh"], extra="funs = true")


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "distwall"])
def test_a_remote_shell_works(direct: bool) -> None:
    with Scene(None if direct else [ENTRY]) as scene:
        bar = scene.guard()
        otp = os.environ.get("DISTWALL_PEER_OTP")
        cookie = CLUSTER_COOKIE if direct else ENTRY.cookie
        shell = ["erl", "-start_epmd", "false", "-name", FOO, "-setcookie", cookie, "-remsh", GUARD]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/tmp" if otp else str(scene.folder),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "ERL_EPMD_PORT": str(scene.epmd_port),
        }
        with terminal([*(["chroot", otp] if otp else []), *shell], environment, scene.folder) as say:
            say("", "1>")
            assert "42" in say("40 + 2.", "2>")
            assert "hello" in say('io:format("hel~s~n", ["lo"]).', "3>")
            # The name is completed: it is not typed whole.
            assert "[a,b]" in plain(say("lists:subl\t[a, b, c], 2).", "4>"))
            assert GUARD in plain(say("node().", "5>"))
            assert "no match" in say("1 = 2.", "6>")
            # Interrupted from the terminal's own menu.
            say("timer:sleep(infinity).", "infinity")
            say("\x07", "-->")
            say("i", "-->")
            say("c", "7>")
            assert "back" in say('io:fwrite("ba~s", ["ck"]).', "8>")
            if not direct:
                bar.wait_until("nodes(hidden) =/= []")
        if not direct:
            assert refused(scene.wall, FOO) == []


def plain(text: str) -> str:
    """What a terminal shows, without how."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
