"""RabbitMQ as its packages start it, with nothing but EPMD's port set: broker, rabbitmqctl, and what they dial."""

import os
import subprocess

import pytest

from tests.redirect.page import blocks
from tests.redirect.steps import attack
from tests.support.hosts import A4, B4, HostPair
from tests.support.packages import RABBITMQ, need
from tests.support.process import Child
from tests.support.redirect_scene import AS_USER, GID, REGISTER, UID, RedirectScene
from tests.support.wall import CLUSTER_COOKIE, Peer

DIST, AMQP = 25672, 5672


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("tools")
def test_rabbitmq_runs_redirected() -> None:
    need("rabbitmq-server")
    entry = Peer(["deny *", "accept ping"], "foo@b", "foo-cookie")
    with HostPair({"a": A4, "b": B4}) as pair, RedirectScene(pair, [entry], guards=["rabbit@a"]) as scene:
        scene.redirect()
        cookie = scene.home / ".erlang.cookie"
        cookie.write_text(CLUSTER_COOKIE)
        cookie.chmod(0o400)
        os.chown(cookie, UID, GID)
        # As docs/redirect.md has it.
        conf = scene.home / "rabbitmq-env.conf"
        settings = next(text for text in blocks("sh") if "SERVER_ADDITIONAL_ERL_ARGS" in text)
        conf.write_text(settings.replace("4370", str(REGISTER)))
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(scene.home),
            "RABBITMQ_CONF_ENV_FILE": str(conf),
            "RABBITMQ_MNESIA_BASE": str(scene.home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(scene.home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(scene.home / "plugins"),
            "RABBITMQ_NODENAME": "rabbit@a",
            "RABBITMQ_NODE_IP_ADDRESS": A4,
            "RABBITMQ_NODE_PORT": str(AMQP),
            "RABBITMQ_DIST_PORT": str(DIST),
        }

        def server() -> Child:
            command = [*AS_USER, str(RABBITMQ / "rabbitmq-server")]
            return Child(command, scene.folder / "rabbit.log", env=environment, cwd=scene.home)

        def run(program: str, *arguments: str) -> str:
            def start() -> "subprocess.CompletedProcess[str]":
                command = [*AS_USER, str(RABBITMQ / program), *arguments]
                return subprocess.run(
                    command, env=environment, cwd=scene.home, capture_output=True, text=True, check=False, timeout=180
                )

            done = pair.a.run(start)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        def ctl(*arguments: str) -> str:
            return run("rabbitmqctl", *arguments)

        foo = scene.peer("foo@b", "foo-cookie", flags=["-sname", "foo@b"])
        broker = pair.a.run(server)
        try:
            broker.wait_logged("completed with", timeout=60)
            assert scene.wall.wait_event("register", guard="rabbit")["port"] == DIST
            # It asks EPMD where it listens itself, so it shows and checks a port that distwall makes up.
            assert "port: 64000, protocol: clustering" in ctl("status")
            run("rabbitmq-diagnostics", "check_port_connectivity")
            ctl("add_user", "somebody", "secret")
            assert "somebody" in ctl("list_users")
            assert ctl("eval", "net_adm:ping('stranger@b').") == "pang\n"
            scene.wall.wait_event("handshake_refused", reason="unknown_node", opened_by="guard")
            assert ctl("eval", "net_adm:ping('foo@b').") == "pong\n"
            scene.wall.wait_event("connect", peer="foo@b", guard="rabbit@a", opened_by="guard")
            assert "not_allowed" in attack(foo, "rabbit@a")
            ctl("shutdown")
            assert broker.wait(30) == 0
        finally:
            pair.a.run(broker.kill)
