"""Helpers that tests of several folders share; the demo and the benchmark stand on them, too.

Each is named after what it starts or is, and no name means two things:

real processes
    `node.Node` is an Erlang node, `wall.Wall` is ``distwall run``, `process.Child` any other program.
    `scene.Scene` has a guarded node, its peers, EPMD and a wall; `tls.TlsScene` is one over TLS.
    `attack_scene.AttackScene` has raw peers instead. `redirect_scene.RedirectScene` is on two hosts (`hosts.HostPair`),
    `loopback_hosts.LoopbackHosts` are hosts that differ by address only.
    `guarded`, `terminal` and `command_line` start what users start.
in this process
    `in_process_wall.InProcessWall` is distwall in a thread, `firewall_scene.FirewallScene` the firewall object alone,
    `core_channel.CoreChannel` one channel of the core between two modelled nodes.
played by the test
    `raw_peer.RawPeer` is a peer made of a socket, `in_process_wall.FakeGuard` a guarded node, `epmd` asks an EPMD.
models, which share nothing with distwall
    `etf` is the external term format, `dist` are frames and control messages, `pattern` matches terms.
texts and files
    `policies`, `certificates`, `audit_logs`.
"""
