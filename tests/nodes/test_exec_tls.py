"""Nodes started by `distwall exec` that speak TLS with distwall."""

from tests.support import guarded
from tests.support.scene import GUARD
from tests.support.tls import HOST, TlsScene
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"


def test_tls_inside_and_none_outside_work_together() -> None:
    with TlsScene([Peer(["accept *"], extra='tls = "off"')], inside=["127.0.0.1", HOST]) as scene:
        tls = scene.pki.flags(scene.pki.host("bar", HOST), otp="DISTWALL_GUARD_OTP")
        with guarded.node(scene, flags=tls) as bar:
            foo = scene.peer()
            assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
            assert foo.eval(f"erpc:call('{GUARD}', init, get_argument, [proto_dist])") == '{ok,[["inet_tls"]]}'
            foo.eval(f"erlang:disconnect_node('{GUARD}')")
            bar.wait_until("nodes(hidden) =:= []")
            assert bar.eval(f"net_adm:ping('{FOO}')") == "pong"
