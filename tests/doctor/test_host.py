"""What is open on a host with real nodes: the doctor finds it, and nothing where there is nothing."""

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from distwall.doctor import Host, examine
from distwall.doctor.checks import redirect
from distwall.policy.model import Redirect
from distwall.redirect.nft import install
from distwall.redirect.ruleset import ruleset
from tests.doctor.scene import COMMAND, ENTRY, GUARD, OUTSIDE, SOUND, DoctorScene
from tests.support.process import Child
from tests.support.waiting import wait_until

EPMD = ("-epmd_module", "distwall_epmd")
LOOPBACK = ("-kernel", "inet_dist_use_interface", "{127,0,0,1}")
VISIBLE = ENTRY + "visible = true\n"


def test_a_sound_setup_has_no_finding(scene: DoctorScene) -> None:
    scene.run()
    node = scene.guarded()
    assert [finding.check for finding in scene.found()] == ["root"]
    assert node.pid in [each.pid for each in Host().guarded(scene.policy)]


class TestExposed:
    def test_a_node_at_all_addresses_is_found(self, scene: DoctorScene) -> None:
        scene.run()
        node = scene.node(flags=EPMD)
        (finding,) = scene.found("exposed")
        assert finding.severity == "problem"
        assert finding.what == "bar can be reached without distwall"
        assert finding.where.startswith(f"{OUTSIDE}:")
        assert finding.where.endswith(f"(pid {node.pid})")
        assert "inet_dist_use_interface" in finding.remedy

    def test_a_node_behind_a_packet_filter_is_a_warning(self, scene: DoctorScene) -> None:
        scene.run()
        scene.node(flags=(*EPMD, "-kernel", "inet_dist_listen_min", "9111", "inet_dist_listen_max", "9111"))
        subprocess.run(["nft", "add table inet t"], check=True)
        subprocess.run(["nft", "add chain inet t i { type filter hook input priority 0; }"], check=True)
        subprocess.run(["nft", "add rule inet t i ip daddr != 127.0.0.0/8 tcp dport 9111 reject"], check=True)
        subprocess.run(["nft", "add rule inet t i ip6 daddr != ::1 tcp dport 9111 reject"], check=True)
        (finding,) = scene.found("exposed")
        assert "listens on more than loopback, but this host gets no answer" in finding.what

    def test_what_is_forwarded_to_loopback_is_found(self, scene: DoctorScene) -> None:
        scene.run()
        scene.node(flags=(*SOUND[:3], "inet_dist_listen_min", "9111", "inet_dist_listen_max", "9111", *SOUND[3:]))
        assert scene.found("exposed") == []
        subprocess.run(["nft", "add table ip t"], check=True)
        subprocess.run(["nft", "add chain ip t o { type nat hook output priority -100; }"], check=True)
        rule = f"add rule ip t o ip daddr {OUTSIDE} tcp dport 9111 dnat to 127.0.0.1:9111"
        subprocess.run(["nft", rule], check=True)
        (finding,) = scene.found("exposed")
        assert finding.where.startswith(f"{OUTSIDE}:9111")

    def test_another_program_at_the_same_port_elsewhere_is_none(self, scene: DoctorScene) -> None:
        scene.run()
        scene.node(flags=(*SOUND[:3], "inet_dist_listen_min", "9111", "inet_dist_listen_max", "9111", *SOUND[3:]))
        with socket.create_server((OUTSIDE, 9111)):
            assert scene.found("exposed") == []

    @pytest.mark.parametrize("told", [True, False])
    def test_a_node_whose_port_distwall_hides_is_found_if_it_was_not_told(self, scene: DoctorScene, told: bool) -> None:
        scene.write(guard=GUARD.replace("4370", "4369") + 'epmd = "0.0.0.0:4369"\n')
        scene.run()
        scene.node(flags=SOUND if told else (), port=4369)
        assert [finding.severity for finding in scene.found("exposed")] == ([] if told else ["warning"])
        assert scene.found("epmd") == []

    def test_a_node_that_is_not_registered_is_a_warning(self, scene: DoctorScene) -> None:
        scene.epmd(4371, address="127.0.0.1")
        scene.run()
        node = scene.node(flags=(), port=4371)
        (finding,) = scene.found("exposed")
        assert finding.severity == "warning"
        assert "if one of them is for distribution" in finding.what
        assert str(node.pid) in finding.where
        node.kill()
        scene.node(flags=SOUND, port=4371)
        assert scene.found("exposed") == []


def _answer_names(server: socket.socket) -> None:
    """One NAMES_REQ, as an EPMD that knows nobody."""
    connection, _ = server.accept()
    with connection:
        connection.recv(3)
        connection.sendall((4370).to_bytes(4))


class TestWhichNodes:
    def test_nodes_that_got_their_name_late_are_known_by_their_port(self, scene: DoctorScene) -> None:
        """Nodes that got their name while they ran."""
        scene.run()
        start = "net_kernel:start(['bar@127.0.0.2', longnames])"
        node = scene.node("bar@127.0.0.2", flags=(*LOOPBACK, "-eval", start), named=False)
        (guarded,) = Host().guarded(scene.policy)
        assert (guarded.pid, guarded.name) == (node.pid, "bar")
        (finding,) = scene.found("outgoing")
        assert finding.what == "connections that bar opens go round distwall"


class TestEpmds:
    def test_one_that_hands_out_a_guarded_nodes_own_port_is_a_problem(self, scene: DoctorScene) -> None:
        epmd = scene.epmd()
        scene.write(guard=GUARD + 'epmd = "127.0.0.2:4368"\n')
        scene.run()
        scene.node(port=4369)
        (finding,) = scene.found("epmd")
        assert (finding.severity, finding.what) == ("problem", "another EPMD hands out the own port of bar")
        assert f"{OUTSIDE}:4369" in finding.where
        assert f"(pid {epmd.pid})" in finding.where
        assert "ERL_EPMD_PORT=4370" in finding.remedy

    def test_one_without_guarded_nodes_at_an_outside_address_is_a_warning(self, scene: DoctorScene) -> None:
        scene.write(guard=GUARD + 'epmd = "127.0.0.2:4368"\n')
        scene.epmd()
        scene.run()
        (finding,) = scene.found("epmd")
        assert finding.severity == "warning"
        assert "ERL_EPMD_ADDRESS" in finding.remedy

    def test_one_on_loopback_is_a_warning(self, scene: DoctorScene) -> None:
        scene.run()
        scene.epmd(address="127.0.0.1")
        scene.node("foo@127.0.0.1", port=4369, flags=LOOPBACK)
        (finding,) = scene.found("epmd")
        assert finding.severity == "warning"
        assert finding.where.startswith("127.0.0.1:4369")
        assert "127.0.0.2:4369" not in finding.where

    def test_one_in_distwalls_place_is_found(self, scene: DoctorScene) -> None:
        scene.epmd(4370, address="127.0.0.1")
        (finding,) = scene.found("epmd")
        assert "holds an address of distwall's" in finding.what
        assert "127.0.0.1:4370" in finding.where

    def test_one_that_takes_registrations_over_ipv6_is_a_problem(self, scene: DoctorScene) -> None:
        scene.run()
        with socket.create_server(("::1", 4370), family=socket.AF_INET6) as server:
            answer = threading.Thread(target=_answer_names, args=(server,), daemon=True)
            answer.start()
            (finding,) = scene.found("epmd")
            answer.join()
        assert finding.severity == "problem"
        assert finding.what == "another EPMD takes registrations at the port of the guarded nodes"
        assert finding.where == f"[::1]:4370 (pid {os.getpid()})"

    def test_something_else_at_the_port_is_none(self, scene: DoctorScene) -> None:
        scene.run()
        with socket.create_server((OUTSIDE, 4369)):
            assert scene.found("epmd") == []


class TestNodes:
    def test_a_guarded_node_that_meshes_with_visible_peers_is_found(self, scene: DoctorScene) -> None:
        scene.write(VISIBLE)
        scene.run()
        node = scene.node()
        (finding,) = scene.found("mesh")
        assert finding.where == f"pid {node.pid}"
        assert "-connect_all false" in finding.remedy
        scene.write(VISIBLE.replace("accept ping", "accept *"))
        assert scene.found("mesh") == []

    @pytest.mark.parametrize(
        "flags", [("-connect_all", "false"), ("-kernel", "connect_all", "false"), ("-config", "sys")]
    )
    def test_a_node_that_does_not_mesh_is_sound(self, scene: DoctorScene, flags: tuple[str, ...]) -> None:
        (scene.folder / "sys.config").write_text("[{kernel, [{connect_all , false},\n {logger_level, error}]}].\n")
        scene.write(VISIBLE)
        scene.run()
        scene.node(flags=(*SOUND, *flags))
        assert scene.found("mesh") == []

    def test_outgoing_connections_round_distwall_are_found(self, scene: DoctorScene) -> None:
        scene.run()
        node = scene.node(flags=LOOPBACK)
        (finding,) = scene.found("outgoing")
        assert finding.where == f"pid {node.pid}"
        assert "distwall exec" in finding.remedy
        scene.write("")
        assert scene.found("outgoing") == []

    def test_a_node_registered_elsewhere_is_a_problem(self, scene: DoctorScene) -> None:
        scene.epmd(4371, address="127.0.0.1")
        scene.run()
        node = scene.node(port=4371)
        (finding,) = scene.found("unregistered")
        assert (finding.severity, finding.where) == ("problem", f"pid {node.pid}")
        assert "ERL_EPMD_PORT=4370" in finding.remedy

    def test_nodes_that_do_not_listen_need_no_registration(self, scene: DoctorScene) -> None:
        scene.run()
        scene.guarded()
        flags = ["-noshell", "-start_epmd", "false", "-name", "bar@127.0.0.2", "-dist_listen", "false"]
        with Child(["erl", *flags], scene.folder / "mute.log", env=scene.environment, cwd=scene.folder) as mute:
            wait_until(lambda: mute.pid in [node.pid for node in Host().guarded(scene.policy)])
            assert scene.found("unregistered") == []

    def test_a_cookie_on_the_command_line_is_found(self, scene: DoctorScene) -> None:
        scene.run()
        node = scene.node(flags=(*SOUND, "-setcookie", "QWERZUIOPASDFGHJKLYX"))
        (finding,) = scene.found("cookie_argument")
        assert finding.where == f"pid {node.pid}"

    def test_the_interface_may_stand_in_a_config_file(self, scene: DoctorScene) -> None:
        (scene.folder / "sys.config").write_text("[{kernel,[{inet_dist_use_interface,{127,0,0,1}}]}].")
        scene.epmd(4371, address="127.0.0.1")
        scene.run()
        scene.node(flags=(*EPMD, "-config", "sys"), port=4371)
        assert scene.found("exposed") == []

    def test_nodes_that_are_not_guarded_are_left_alone(self, scene: DoctorScene) -> None:
        scene.write(VISIBLE)
        scene.run()
        scene.epmd(4371, address="127.0.0.1")
        scene.node("other@127.0.0.1", flags=("-setcookie", "secret"), port=4371)
        assert {finding.check for finding in scene.found()} == {"root"}


@pytest.mark.slow
def test_a_rabbitmq_by_exec_is_sound(scene: DoctorScene) -> None:
    server = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    scene.write(guard=GUARD.replace("bar@127.0.0.2", "rabbit@localhost"))
    scene.run()
    folder = scene.folder
    environment = {
        **scene.environment,
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_NODENAME": "rabbit@localhost",
    }
    command: list[str | Path] = [COMMAND, "exec", "--config", folder / "distwall.toml", "--", server]
    with Child(command, folder / "rabbit.log", env=environment, cwd=folder) as rabbit:
        rabbit.wait_logged("Starting broker... completed", timeout=60)
        assert [finding.check for finding in scene.found()] == ["root"]
        assert [node.name for node in Host().guarded(scene.policy)] == ["rabbit"]


class TestRedirect:
    GUARD = f'{GUARD}redirect = {{ user = "nobody" }}\n'

    def test_rules_that_are_not_installed_are_found(self, scene: DoctorScene) -> None:
        scene.write(guard=self.GUARD)
        (finding,) = scene.found("redirect")
        assert finding.what == "no rules redirect connections of guarded nodes"
        install(ruleset(Redirect("nobody", 4371, (64000, 64999)), 4370))
        assert scene.found("redirect") == []

    def test_a_node_of_another_user_is_found(self, scene: DoctorScene) -> None:
        install(ruleset(Redirect("nobody", 4371, (64000, 64999)), 4370))
        scene.write(guard=self.GUARD)
        scene.run()
        node = scene.node(flags=LOOPBACK)
        (finding,) = scene.found("redirect")
        assert finding.what == "bar@127.0.0.2 runs as root, whose connections are not redirected"
        assert finding.where == f"pid {node.pid}"
        assert scene.found("outgoing") == []

    def test_distwalls_own_user_is_found(self, scene: DoctorScene) -> None:
        install(ruleset(Redirect("root", 4371, (64000, 64999)), 4370))
        scene.write(guard=self.GUARD.replace("nobody", "root"))
        with socket.socket(socket.AF_UNIX) as control:
            control.bind(str(scene.folder / "distwall.sock"))
            control.listen()
            (finding,) = (found for found in redirect.check(scene.policy, Host()))
        assert finding.what == "distwall runs as root, too: its own connections come back to it"

    def test_a_user_that_is_none_is_found(self, scene: DoctorScene) -> None:
        scene.write(guard=self.GUARD.replace("nobody", "no-such-user"))
        (finding,) = scene.found("redirect")
        assert "there is no user 'no-such-user' here" in finding.what


class TestService:
    def test_a_distwall_that_does_not_run_is_found(self, scene: DoctorScene) -> None:
        (finding,) = scene.found("not_running")
        assert finding.what == "no distwall answers: No such file or directory"
        assert finding.where == str(scene.folder / "distwall.sock")
        assert finding.remedy == "start it with distwall run"

    def test_another_user_is_told_what_it_can_see(self, scene: DoctorScene) -> None:
        scene.run()
        scene.guarded()
        policy = scene.policy
        os.seteuid(65534)
        try:
            found = examine(policy, Host())
        finally:
            os.seteuid(0)
        assert [(finding.severity, finding.check) for finding in found] == [("warning", "not_running")]

    def test_a_distwall_with_a_user_of_its_own_is_sound(self, scene: DoctorScene) -> None:
        scene.own_all(4242)
        scene.run(uid=4242)
        assert scene.found() == []


def test_nodes_in_other_network_namespaces_are_left_alone(scene: DoctorScene) -> None:
    scene.run()
    scene.guarded()
    flags = ["-noshell", "-start_epmd", "false", "-name", "bar@127.0.0.2", "-setcookie", "x", "-dist_listen", "false"]
    command = ["unshare", "--net", "erl", *flags]
    with Child(command, scene.folder / "far.log", env=scene.environment, cwd=scene.folder) as far:
        wait_until(lambda: "beam" in Path(f"/proc/{far.pid}/cmdline").read_text())
        policy = scene.policy
        for uid in (0, 65534):
            os.seteuid(uid)
            try:
                found = {finding.check for finding in examine(policy, Host())}
            finally:
                os.seteuid(0)
            assert found <= {"root", "not_running"}
