"""``otp_internal``: names of OTP's own, and shapes that its processes obey, whoever they are sent to."""

from __future__ import annotations

import pytest

from distwall._core import DistFlag
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_25, PASS_THROUGH, Alt, Message, Op, Style, message
from tests.support.etf import Atom, Map, Term
from tests.support.pattern import Any, Is, Lit, Pattern, Var, compiled
from tests.wire.expect import tell
from tests.wire.written import written

P, G = CoreChannel.peer, CoreChannel.guard
A = Atom

CALLS = """
    {start_child, Map}  {start_child, [1]}  {terminate_child, x}  {restart_child, x}  {delete_child, x}
    {start_task, [Own], temporary, 5000}
    {get, MFA}  {get, Fun}  {get, Export}  {get_and_update, MFA}  {get_and_update, Fun}  {update, MFA}  {update, Fun}
    {call, m, f, [], Pid}  {block_call, m, f, [], user}
    {spawn, m, f, [], Pid}  {spawn_link, m, f, [], Pid}  {spawn_opt, m, f, [], [], [], Pid}  {apply, m, f, [1]}
    get_our_cookie  sync_cookie  {set_our_cookie, x}  {set_cookie, Node, x}
    {load_application, {application, x, []}}  {start_application, x, permanent}
    {registrar, Fun}  {registrar, {}}
    {apply_once, {1, 2, MFA}}  {apply_interval, {1, 2, Pid, MFA}}  {apply_repeatedly, {1, 2, Pid, MFA}}
    {unpack_release, "x"}  {check_install_release, "x", false}  {install_release, "x", restart, []}
    {make_permanent, "x"}  {reboot_old_release, "x"}  {remove_release, "x"}  {set_unpacked, "x", []}
    {set_removed, "x"}  {install_file, "x", "y"}
    {add_handler, h, m, Map}  {remove_handler, h}  {add_filter, primary, {f, {Fun, []}}}  {remove_filter, primary, f}
    {change_config, set, primary, Map}  {change_config, update, h, level, debug}  {update_formatter_config, h, Map}
    {set_module_level, [m], debug}  {unset_module_level, all}
    {dict_insert, {filter, all}, Fun}  {'$olp_load', {log, Map}}
"""
CASTS = """
    {try_again_restart, x}  {try_again_restart, x, y}  {cast, MFA}  {cast, Fun}  {cast, m, f, [], Pid}
    {'$olp_load', {log, Map}}
"""
PLAIN = """
    {system, From, get_state}  {system, {Pid, Ref}, {replace_state, Fun}}  {system, 1, 2}
    {'EXIT', Own, kill}  {'EXIT', Port, normal}
    {'DOWN', OwnRef, process, Own, normal}  {'DOWN', Ref, port, Port, normal}
    {'DOWN', Ref, time_offset, clock_service, 1}  {'CHANGE', Ref, time_offset, clock_service, 1}
    {nodeup, 'a@b'}  {nodedown, 'a@b'}  {nodeup, 'a@b', [{node_type, visible}]}  {nodedown, 'a@b', Map}
    {extra_nodedown, 'a@b'}  {group_nodedown, 'a@b', 1}  {group_nodeup, 'a@b', 1}
    {io_request, Pid, Ref, {put_chars, unicode, m, f, []}}  {file_request, Pid, Ref, close}
    {Pid, {Pid, Ref}, {add_handler, m, []}}  {remote, 1, {add_handler, m, []}}  {command, Pid, {add_handler, m, []}}
    {x, From, {add_sup_handler, m, [], Pid}}  {Pid, {Pid, Ref}, {delete_handler, m, []}}
    {Pid, {Pid, Ref}, {swap_handler, a, [], b, []}}  {Pid, {Pid, Ref}, {swap_sup_handler, a, [], b, [], Pid}}
    {notify, sigterm}  {notify, sigquit}  {notify, sigusr1}  {Pid, {Pid, Ref}, {sync_notify, sigterm}}
    {Pid, {call, m, f, [], Pid}}  {1, {call, m, f, [], Pid}}  {Pid, {sbcast, x, y}}  {Pid, {send, x, y}}
    {Pid, registered_send, x, y}  {Own, badcookie, x, y}
    {code_call, Pid, {load_binary, m, "m", <<"">>}}  {code_call, Pid, get_path}
    {purge, m, Pid, Ref}  {soft_purge, m, Pid, Ref}  {finish_after_on_load, {m, true}, Pid, Ref}
    {test_purge, m, Pid, true, Ref}  {change_prio, Pid, Ref, max}
    {ac_start_application_req, x}  {ac_change_application_req, x, {started, Node}}  {ac_load_application_reply, x, ok}
    {dist_ac_app_started, Node, x, ok}  {dist_ac_new_node, 1, Node, [], []}  {dist_ac_weight, x, 1, Node}
    {internal_restart_appl, x}
    {'$dets_call', Pid, close}  {'$socket', add, x}  {trans_all_known, Fun, Pid}
    {shell_cmd, Own, {eval, []}, cmd}  {shell_req, Own, exit}  {shell_rep, Own, {value, 1, [], []}}
    {eval, Own, <<"System.halt">>, 1}  {eval, Own, <<"System.halt">>, 1, x}
    {Port, {data, "x"}}  {Own, {data, <<"q().">>}}  {Port, eof}  {Port, {exit_status, 0}}
    {tcp, Port, <<"x">>}  {tcp_closed, Port}  {tcp_error, Port, x}  {udp, Port, {127, 0, 0, 1}, 53, <<"x">>}
    {inet_reply, Port, ok}  {inet_async, Port, 1, {ok, Port}}
    {remote, load_compiled, []}  {remote, collect, m, Pid}  {remote, reset, m}
    {command, Pid, {start, {job, Pid, x, []}}}  {command, Pid, {watch, {module, m}, []}}
    {Pid, Ref, Own, [], MFA}  {Pid, Ref, [], MFA}
"""
"""Whatever they are sent to."""

UNNAMED_CALLS = """
    {open, "x", [write]}  {open, <<"x">>, []}  {read_file, "x"}  {write_file, "x", <<"y">>}  {set_cwd, "x"}
    {delete, "x"}  {delete, <<"x">>}  {rename, "x", "y"}  {make_dir, "x"}  {del_dir, "x"}  {list_dir, "x"}
    {list_dir_all, "x"}  {read_file_info, "x"}  {read_link_info, "x", []}  {write_file_info, "x", {file_info, 1}}
    {read_link, "x"}  {read_link_all, "x"}  {make_link, "x", "y"}  {make_symlink, "x", "y"}
    {copy, "x", [], "y", [], infinity}
    {open, {arg, x}}  {open, "x"}  {open, tab, {open_args, x}}
    {set_opts, Map}
    {connect, normal, 'a@b'}  {disconnect, 'a@b'}  {passive_cnct, 'a@b'}  {allow, ['a@b']}  {verbose, 1}
    {new_ticktime, 60, 60}  {setopts, new, []}  {get_cookie, 'a@b'}
    {unload_application, x}  {stop_application, x}  {permit_application, x, false}  {control_application, x}
    {change_application_data, [], []}  {config_change, []}  prep_config_change  {set_env, [], []}
    {set_env, x, y, z, []}  {unset_env, x, y, []}  {takeover_application, x, permanent}  {distribution_changed, []}
    {load_hosts_file, []}  {add_host, {1, 2, 3, 4}, ["x"]}  {del_host, {1, 2, 3, 4}}  {add_rrs, []}
    {listop, nameservers, ins, x}  {listreplace, lookup, []}  {set_hostname, "x"}  {res_set, lookup, [file]}
    {register, "x", 4369, inet}  {register, x, Pid, Fun}  {register_ext, x, Pid, Fun, 'a@b'}
    {send, x, y}  {send, {node, 'a@b'}, x, y}  {global_groups_changed, []}
    {compile, Map}  {attach, 'a@b'}  {call, m, f, []}  {start_shell, Map}  {serial, Fun}  {update, x, Fun}
    {application_data, <<"x">>}  {new_user, Pid}  {dist_handshake_complete, 'a@b', 1}
    {start_log, "x"}  {set_check_interval, 1}  {set_procmem_high_watermark, 1}  {mktab, x, []}  {open_log, x}
    {profile_start, [], {m, f, a}, MFA, []}  {load, m, "x", <<"x">>}  {idle_notify, Fun}  {call_module, m, x}
    {request, call, x, MFA, 1, 1}
"""
UNNAMED_CASTS = """
    {async_disconnect, 'a@b'}  {application_started, x, {ok, Pid}}  {config_changed, Map, Map}  {cast, m, f, []}
    {send, x, y}  {init_connect, {8, 1}, 'a@b', {locker, x, Map, Pid}}  {exchange, 'a@b', [], [], 1}
    {resolved, 'a@b', [], [], unused, [], 1}  {new_nodes, 'a@b', [], [], [], x}  {in_sync, 'a@b', true}
    {conf_check, 1, 'a@b', Pid, sync, x, []}  {mnesia_down, 'a@b'}  {del_table_copy, x}
"""
UNNAMED = """
    {stop, Ref, Pid}  {Own, terminate}  {Own, disconnect}  {Own, tick}  {Own, {signal, resize}}
    {accept, Pid, x, inet, tcp}  {auto_connect, 'a@b', 1}  {dist_ctrlr, Pid, 'a@b', Pid}  {new_ticktime, 1}
    {Pid, {nodeup, 'a@b', x, normal, false}}  {Pid, {accept_pending, Node, 'a@b', normal}}  {Pid, {wait_pending, 'a@b'}}
    {Pid, Ref, {setopts, [{active, false}]}}
    {Pid, {set_path, ["x"]}}  {Pid, {get_file, "x"}}  {Pid, {read_file, "x"}}  {Pid, {list_dir, "x"}}
    {Pid, {log, internal, []}}  {alog, internal, []}  {Pid, {truncate, none, truncate, 1}}
    {Pid, {reopen, "x", none, reopen, 2}}  {Pid, {change_header, {head_func, MFA}}}  {Pid, {change_size, 1}}
    {log, error, "x", [], Map}  {log, error, Map, Map}
    {lost_connection, 'a@b', 1, 2, 'c@d'}  {remove_connection, 'a@b'}  {cancel_connect, 'a@b', 1}
    {init_connect_ack, 'a@b', 1, 2}
    {Pid, set_cmd, "x"}  {Pid, set_callback, {m, f}}  {Pid, set_options, [x]}  {Pid, clear_cmd}
    {Pid, {open_editor, "x"}}
    {Pid, {async_dirty, x, y, z}}  {Pid, {sync_dirty, x, y, z}}  {Pid, {ask_commit, x, y, z, [], []}}
    {{tid, 1, Pid}, do_commit}  {{tid, 1, Pid}, {do_abort, x}}  {release_tid, x}  {mnesia_down, 'a@b'}
    {Pid, {tracer, Fun}}  {Pid, {p, all, [c]}}  {Pid, {link_to, Pid}}  {Pid, {add_node, 'a@b'}}
    {Pid, {compile, ["x"], []}}  {Pid, {compile_beams, []}}  {Pid, {import, "x"}}  {sync_apply, Pid, MFA}
"""
"""What only servers with a name of their own obey, or processes that have none."""

LOOKALIKES = """
    {system, 1}  {system_status, 1}  {system, 1, 2, 3}  {systems, 1, 2}  {exit, 1, 2}  system  {}  [{system, From, 1}]
    {data, {system, From, 1}}  {data, {'EXIT', 1, 2}}
    {'$gen_cast', {add, 1}}  {'$gen_cast', start_child}  {'$gen_cast', stop}
    {'$gen_call', From, {add, 1}}  {'$gen_call', From, {child, 1}}  {'$gen_call', From, {start_child, 1, 2}}
    {'$gen_call', From, start_child}  {'$gen_call', From, stop}  {'$gen_call', From, get}
    {'$gen_call', From, {get, key}}
    {'$gen_call', From, {update, key, value}}  {'$gen_call', From, {update, {a, b}}}  {'$gen_call', From, {cast, x}}
    {'$gen_call', From, {set_cookie, x}}  {'$gen_call', From, {call, x}}  {'$gen_call', From, {spawn, x}}
    {'$gen_call', From, [start_child, 1]}  {'$gen_call', From, which_children}  {'$gen_call', From, 1}
    {'DOWN', Ref, process, Pid}  {'DOWN', Ref, service, x, y}  {down, Ref, process, Pid, x}
    {nodeup, x}  {nodedown, 1}  {nodeup, 'a@b', 1, 2}  {node_up, 'a@b'}
    {notify, {order, 1}}  {notify, x}  {Pid, {Pid, Ref}, {sync_notify, x}}  {Pid, {Pid, Ref}, {call, handler, x}}
    {Pid, features_request}  {Pid, hello}  {Pid, {hello, 1}}  {Pid, {data, <<"x">>}}  {PeerPort, {data, <<"x">>}}
    {tcp, PeerPort, <<"x">>}  {tcp_closed, PeerPort}  {Own, hello}  {Own, {hello, 1}}
    {purge, cache}  {purge, cache, Pid}  {eval, <<"x">>, 1}  {eval, Pid, <<"x">>, 1}  {command, Pid, {move, 3}}
    {log, "text"}  {stop, reason}  {accept, x}  {remote, x, y}  {Pid, Ref, [], {m, f}}  {x, Ref, Own, [], MFA}
    {Pid, update, 1}  {1, 2, 3, 4}  {a, b, c, d, e, f, g, h, i, j}  {1, {2, {3, {4}}}}  Map  <<"system">>  "EXIT"
    {io_reply, Ref, ok}  {Ref, ok}  {Ref, {ok, 1}}
"""
NAMED_LOOKALIKES = """
    {'$gen_call', From, {delete, "key"}}  {'$gen_call', From, {open, "door"}}
    {'$gen_call', From, {register, x, Pid, y}}
    {'$gen_call', From, {connect, normal, 'a@b'}}  {'$gen_call', From, {set_env, x, y, z, []}}
    {'$gen_cast', {mnesia_down, 'a@b'}}  {Pid, {log, info, []}}  {Pid, {get_file, "x"}}  {log, info, "x", [], Map}
    {stop, Ref, Pid}  {Own, tick}  {new_ticktime, 1}
"""
PID_LOOKALIKES = """
    {'$gen_call', From, {delete, 7}}  {'$gen_call', From, {delete, key}}  {'$gen_call', From, {open, 1}}
    {'$gen_call', From, {read_file, x}}  {'$gen_call', From, {connect, a, b}}  {'$gen_call', From, {register, x}}
    {'$gen_call', From, {send, "to", x}}  {'$gen_call', From, {load, x}}  {'$gen_call', From, {set_env, x}}
    {'$gen_call', From, {call, m, f, a}}  {'$gen_cast', {send, x}}  {'$gen_cast', {mnesia_up, 'a@b'}}
    {Pid, {log, "x"}}  {Pid, {compile, x}}  {Pid, {get_file, x}}  {Pid, disconnect}  {Pid, tick}  {Pid, terminate}
    {log, loud, "x", Map}  {stop, Ref}  {stop, 1, 2}
"""


def lines(text: str) -> list[str]:
    """The terms of a table: two blanks or a line's end stand between them."""
    return [one for line in text.splitlines() for one in line.strip().split("  ") if one]


def every(calls: str, casts: str, plain: str) -> list[str]:
    return [
        *(f"{{'$gen_call', From, {one}}}" for one in lines(calls)),
        *(f"{{'$gen_cast', {one}}}" for one in lines(casts)),
        *lines(plain),
    ]


ANYONE = every(CALLS, CASTS, PLAIN)
BY_PID = every(UNNAMED_CALLS, UNNAMED_CASTS, UNNAMED)


def to_name(payload: Term) -> dict[str, Message]:
    traced = (A("server"), (1, 1, 1, P.pid(), 1))
    return {
        "name": tell(payload),
        "name, traced": message(Op.REG_SEND_TT, P.pid(), EMPTY, *traced, payload=payload),
    }


def to_pid(payload: Term) -> dict[str, Message]:
    return {
        "pid": message(Op.SEND_SENDER, P.pid(), G.pid(), payload=payload),
        "pid, plainly": message(Op.SEND, EMPTY, G.pid(), payload=payload),
        "alias": message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=payload),
    }


def shown(*rules: str, flags: int = OTP_25, funs: bool | None = None) -> CoreChannel:
    """A channel on which the guarded node has shown an alias."""
    channel = CoreChannel(*rules, flags=flags, funs=funs)
    channel.outbound(message(Op.SEND_SENDER, G.pid(9), P.pid(), payload=G.alias()))
    return channel


SENDS = ("accept reg_send server", "accept send", "accept alias_send", "deny *")
BOTH = pytest.mark.parametrize("flags", [OTP_25, PASS_THROUGH], ids=["cached", "pass-through"])


def refused(sent: Message, flags: int = OTP_25) -> None:
    output = shown(*SENDS, flags=flags, funs=True).inbound(sent)
    assert output.forward == []
    assert output.reasons == ["otp_internal"]
    for rules in ((*SENDS[:-1], "accept otp_internal", "deny *"), ("accept *",)):
        assert shown(*rules, flags=flags, funs=True).inbound(sent).forward == [sent]


@BOTH
@pytest.mark.parametrize("text", ANYONE)
def test_what_anyone_may_obey_is_refused(text: str, flags: int) -> None:
    payload = written(text)
    for sent in (to_name(payload) | to_pid(payload)).values():
        refused(sent, flags)


@BOTH
@pytest.mark.parametrize("text", BY_PID)
def test_what_servers_met_by_pid_obey_is_refused_by_pid(text: str, flags: int) -> None:
    payload = written(text)
    for sent in to_pid(payload).values():
        refused(sent, flags)
    for sent in to_name(payload).values():
        assert shown(*SENDS, flags=flags, funs=True).inbound(sent).forward == [sent]


@pytest.mark.parametrize("text", lines(LOOKALIKES))
def test_what_only_looks_like_it_passes(text: str) -> None:
    payload = written(text)
    for sent in (to_name(payload) | to_pid(payload)).values():
        assert shown(*SENDS, funs=True).inbound(sent).forward == [sent]


@pytest.mark.parametrize("text", lines(NAMED_LOOKALIKES))
def test_what_only_looks_like_it_passes_to_a_name(text: str) -> None:
    for sent in to_name(written(text)).values():
        assert shown(*SENDS, funs=True).inbound(sent).forward == [sent]


@pytest.mark.parametrize("text", lines(PID_LOOKALIKES))
def test_what_only_looks_like_it_passes_to_a_pid(text: str) -> None:
    for sent in to_pid(written(text)).values():
        assert shown(*SENDS, funs=True).inbound(sent).forward == [sent]


@pytest.mark.parametrize(
    "payload", [tuple(range(300)), Map(((A("EXIT"), (A("EXIT"), 1, 2)),)), (A("system"), *range(300))]
)
def test_odd_lookalikes_pass(payload: Term) -> None:
    assert shown(*SENDS).inbound(tell(payload)).forward == [tell(payload)]


# === names ===

NAMES = """
    init  code_server  application_controller  auth  global_name_server  file_server_2  logger  logger_proxy  user
    user_drv  standard_error  error_logger  erl_prim_loader  erts_code_purger  erl_signal_server  kernel_sup
    kernel_safe_sup  timer_server  release_handler  dist_ac  global_group  inet_db  heart  dbg  cover_server
    pool_master  mnesia_tm  mnesia_locker  ssl_manager  disk_log_server  dets_server  pg  socket_registry
    standard_error_writer  tprof  logger_std_h_default  logger_std_h_mine  logger_disk_log_h_mine
    httpd_instance_sup__127_0_0_1__80default  elixir_code_server  elixir_config  Elixir.Logger  Elixir.Mix.State
    Elixir.IEx.Broker  Elixir.ExUnit.Server
"""
OTHERS = """
    server  initial  my_logger  logger_  users  global_  code  supervisor  kernel  httpd_metrics
    loggers  pgx  Elixir.MyApp.Logger  Elixir.Mixer  Elixir.Loggers  Elixir.Registry  a
"""


@pytest.mark.parametrize("name", lines(NAMES))
def test_every_message_to_a_name_of_otp_counts(name: str) -> None:
    """Any message to one of them counts: only a rule that speaks of otp_internal, or of all, opens it."""
    for payload in (1, A("hello"), written("{'$gen_call', From, hello}"), written("{'$gen_cast', {hello, 1}}")):
        sent = tell(payload, name)
        for rule in ("accept reg_send", f"accept reg_send {name}"):
            for style in ("otp", "inline"):
                assert CoreChannel(rule, "deny *").inbound(sent, style=style).reasons == ["otp_internal"]
        for rule in (f"accept otp_internal {name}", "accept *"):
            assert CoreChannel(rule, "accept reg_send", "deny *").inbound(sent).forward == [sent]
        other = ("accept otp_internal other", "accept reg_send", "deny *")
        assert CoreChannel(*other).inbound(sent).reasons == ["otp_internal"]


@pytest.mark.parametrize("name", lines(OTHERS))
def test_names_of_others_are_not_taken_for_otps(name: str) -> None:
    sent = tell(A("hello"), name)
    assert CoreChannel("accept reg_send", "deny *").inbound(sent).forward == [sent]


def test_a_pattern_that_describes_messages_opens_them_at_rex() -> None:
    for rule in ("accept reg_send rex", "accept reg_send"):
        assert CoreChannel(rule, "deny *").inbound(tell(A("hello"), "rex")).reasons == ["otp_internal"]
    asks = compiled((Is("peer_pid"), Lit(A("features_request")))).hex()
    sent = tell((P.pid(), A("features_request")), "rex")
    assert CoreChannel(f"accept reg_send rex when {asks}", "deny *").inbound(sent).forward == [sent]


def test_monitors_of_otp_names_are_no_messages() -> None:
    sent = message(Op.MONITOR_P, P.pid(), A("code_server"), P.ref())
    assert CoreChannel("accept monitor", "deny *").inbound(sent).forward == [sent]


def test_net_kernel_may_be_pinged() -> None:
    sent = tell(written("{'$gen_call', From, {is_auth, Node}}"), "net_kernel")
    for rule in ("accept ping", "accept reg_send net_kernel"):
        assert CoreChannel(rule, "deny *").inbound(sent).forward == [sent]
    others = """
        x  1  {1, 2}  {1, 2, 3}  {1, 2, 3, 4}  {'$gen_call', From, is_auth}  {'$gen_call', From, {is_auth}}
        {'$gen_call', From, {is_auth, Node, 1}}  {'$gen_call', From, {delete, "x"}}  {'$gen_call', From, x}
        {'$gen_call', {Own, Ref}, {is_auth, Node}}  {'$gen_cast', {is_auth, Node}}  {is_auth, From, {is_auth, Node}}
    """
    for other in lines(others):
        sent = tell(written(other), "net_kernel")
        assert CoreChannel("accept reg_send", "deny *").inbound(sent).reasons == ["otp_internal"]
        assert CoreChannel("accept reg_send", "accept otp_internal net_kernel", "deny *").inbound(sent).forward == [
            sent
        ]


def test_the_first_process_of_a_node_is_init() -> None:
    for payload in (A("hello"), written("{stop, stop}")):
        sent = message(Op.SEND_SENDER, P.pid(), G.pid(0), payload=payload)
        # It is judged by its name as well.
        assert shown(*SENDS).inbound(sent).reasons == ["default"]
        assert CoreChannel("accept reg_send init", *SENDS).inbound(sent).reasons == ["otp_internal"]
        assert CoreChannel("accept reg_send init", "accept otp_internal init", *SENDS).inbound(sent).forward == [sent]


# === however it is sent, whatever the rule ===


@pytest.mark.parametrize("fragment", [60, 90, 200])
@pytest.mark.parametrize("text", ANYONE)
def test_it_is_recognized_in_fragments_before_any_goes_out(text: str, fragment: int) -> None:
    """However it is cut: nothing of it has gone out when it is recognized."""
    channel = shown(*SENDS, funs=True)
    sent = tell(written(text))
    outputs = [channel.inbound(one) for one in channel.from_peer.frames(sent, fragment=fragment, sequence=8)]
    assert not any(output.forward for output in outputs)
    assert [reason for output in outputs for reason in output.reasons] == ["otp_internal"]
    assert channel.at_guard.done()


@pytest.mark.parametrize("text", ANYONE)
def test_how_the_labels_are_written_does_not_matter(text: str) -> None:
    styles: tuple[Style, ...] = ("new", "inline", "otp")
    for style in styles:
        assert shown(*SENDS, funs=True).inbound(tell(written(text)), style=style).reasons == ["otp_internal"]


SYS = written("{system, From, get_state}")


def test_it_may_be_accepted_for_one_name_only() -> None:
    rules = ("accept reg_send", "accept otp_internal server", "deny *")
    assert shown(*rules).inbound(tell(SYS, "server")).forward
    assert shown(*rules).inbound(tell(SYS, "other")).reasons == ["otp_internal"]


def test_a_rule_may_refuse_it() -> None:
    output = CoreChannel("drop otp_internal", "accept reg_send", "deny *").inbound(tell(SYS))
    assert output.events[0][3:6] == ("drop", 0, "otp_internal")


def test_it_is_recognized_in_priority_sends() -> None:
    flags = OTP_25 | DistFlag.ALTACT_SIG
    for alt, to in ((Alt.PRIO, G.pid()), (Alt.ALIAS, G.alias()), (Alt.PRIO | Alt.NAME, A("server"))):
        sent = message(Op.ALTACT_SIG_SEND, int(alt), P.pid(), to, payload=SYS)
        assert shown(*SENDS, flags=flags).inbound(sent).reasons == ["otp_internal"]


CALL, CAST = A("$gen_call"), A("$gen_cast")
FROM = (P.pid(), P.ref())
SYSTEM: Term = (A("system"), FROM, A("get_state"))
START: Term = (CALL, FROM, (A("start_child"), [1]))
TASK: Term = (P.pid(), P.ref(), P.ref(), [P.pid()], (A("m"), A("f"), [1]))
EVENT: Term = (P.pid(), FROM, (A("delete_handler"), A("h"), []))

# Whether a rule with that pattern opens the message, which it matches.
PATTERNS: dict[str, tuple[Pattern, Term, bool]] = {
    "{system, _, get_state}": ((Lit(A("system")), Any(), Lit(A("get_state"))), SYSTEM, True),
    "{system, _, _}": ((Lit(A("system")), Any(), Any()), SYSTEM, True),
    "_": (Any(), SYSTEM, False),
    "tuple()": (Is("tuple"), SYSTEM, False),
    "{_, _, _}": ((Any(), Any(), Any()), SYSTEM, False),
    "{_, _, get_state}": ((Any(), Any(), Lit(A("get_state"))), SYSTEM, True),
    "{_, _, atom()}": ((Any(), Any(), Is("atom")), SYSTEM, False),
    "a call of anything": ((Lit(CALL), Is("from"), Any()), START, False),
    "a call, Request": ((Lit(CALL), Is("from"), Var(0)), START, False),
    "a call of a tuple": ((Lit(CALL), Is("from"), Is("tuple")), START, False),
    "a call of a pair": ((Lit(CALL), Is("from"), (Is("atom"), Is("list"))), START, False),
    "a call, {start_child, _}": ((Lit(CALL), Is("from"), (Lit(A("start_child")), Any())), START, True),
    "a call, {start_child, _}, whoever asks": ((Lit(CALL), Any(), (Lit(A("start_child")), Any())), START, True),
    "a call whose answer goes astray": (
        (Lit(CALL), Any(), (Lit(A("start_child")), Any())), (CALL, (G.pid(), P.ref()), (A("start_child"), [1])), False,
    ),
    "a cast of anything": ((Lit(CAST), Any()), (CAST, (A("try_again_restart"), 1)), False),
    "a task": ((Is("peer_pid"), Any(), Any(), Is("list"), (Is("atom"), Is("atom"), Is("list"))), TASK, True),
    "a task that is anything": ((Is("peer_pid"), Any(), Any(), Is("list"), (Any(), Any(), Any())), TASK, False),
    "an event manager's request": ((Is("pid"), Is("from"), (Lit(A("delete_handler")), Any(), Any())), EVENT, True),
    "whatever an event manager is asked": ((Is("pid"), Is("from"), Any()), EVENT, False),
    "a label in front of an event manager's request": (
        (Lit(A("io_reply")), Is("reference"), Any()), written("{io_reply, Ref, {add_handler, m, []}}"), False,
    ),
    "a label in front of what stops an event manager": (
        (Lit(A("io_reply")), Is("reference"), Any()), written("{io_reply, Ref, stop}"), False,
    ),
    "a label in front of an answer": (
        (Lit(A("io_reply")), Is("reference"), Any()), written("{io_reply, Ref, ok}"), True,
    ),
    "a label in front of rex's request": ((Lit(A("x")), Any()), written("{x, {call, m, f, [], user}}"), False),
    "a label in front of a request behind it": (
        (Lit(A("x")), Any(), Any(), Any()), written("{x, registered_send, 1, 2}"), False,
    ),
    "a system message whose answer goes astray": (
        (Lit(A("system")), Any(), Lit(A("get_state"))), written("{system, {Own, Ref}, get_state}"), False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_opens_what_it_means(name: str) -> None:
    pattern, payload, opens = PATTERNS[name]
    channel = CoreChannel(f"accept reg_send server when {compiled(pattern).hex()}", "deny *")
    sent = message(Op.REG_SEND, P.pid(), EMPTY, A("server"), payload=payload)
    output = channel.inbound(sent)
    assert (output.forward, output.reasons) == (([sent], []) if opens else ([], ["otp_internal"]))


def test_a_rule_opens_what_its_pattern_matches_and_nothing_else() -> None:
    suspend, resume = written("{system, From, suspend}"), written("{system, From, resume}")
    # {system, _, suspend}
    pattern = "0300000003 0600000008 770673797374656d 00 0600000009 770773757370656e64".replace(" ", "")
    channel = CoreChannel("accept reg_send server", f"accept otp_internal server when {pattern}", "deny *")
    assert channel.inbound(tell(suspend)).forward == [tell(suspend)]
    output = channel.inbound(tell(resume))
    assert (output.forward, output.reasons) == ([], ["otp_internal"])
