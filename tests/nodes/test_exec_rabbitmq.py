"""RabbitMQ started by `distwall exec`, with its own scripts: broker and rabbitmqctl."""

import socket

import pytest

from tests.support import guarded, ports
from tests.support.packages import RABBITMQ, need
from tests.support.scene import Scene
from tests.support.wall import CLUSTER_COOKIE, Peer


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_rabbitmq_and_its_tools_run_guarded() -> None:
    need("rabbitmq-server")
    host = socket.gethostname().partition(".")[0]
    node = f"rabbit@{host}"
    peers = [Peer(["deny *", "accept ping"], node=f"foo@{host}")]
    with ports.lease() as amqp, ports.lease() as dist, Scene(peers, guards=["rabbit@*"]) as scene:
        home = scene.folder / "home"
        home.mkdir()
        cookie = home / ".erlang.cookie"
        cookie.write_text(CLUSTER_COOKIE)
        cookie.chmod(0o400)
        environment = {
            "HOME": str(home),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_MNESIA_BASE": str(scene.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(scene.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(scene.folder / "plugins"),
            "RABBITMQ_NODENAME": node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_DIST_PORT": str(dist),
        }

        def ctl(*arguments: str) -> str:
            log = scene.folder / "rabbitmqctl.log"
            log.unlink(missing_ok=True)
            code = guarded.program(scene, [RABBITMQ / "rabbitmqctl", *arguments], environment).wait(60)
            assert code == 0, log.read_text()
            return log.read_text()

        with guarded.program(scene, [RABBITMQ / "rabbitmq-server"], environment) as server:
            server.wait_logged("completed with", timeout=60)
            assert scene.wall.wait_event("register", guard="rabbit")["port"] == dist
            assert f"Interface: 127.0.0.1, port: {dist}, protocol: clustering" in ctl("status")
            assert f"Node: {node}" in ctl("cluster_status")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", dist), 2)
            assert ctl("eval", "net_adm:ping('stranger@127.0.0.1').") == "pang\n"
            ctl("add_user", "somebody", "secret")
            assert "somebody" in ctl("list_users")
            ctl("shutdown")
            assert server.wait(30) == 0
        assert {event["guard"].partition("-")[0] for event in scene.wall.events("register")} >= {
            "rabbit",
            "rabbitmqcli",
        }
