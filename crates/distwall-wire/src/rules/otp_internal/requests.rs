//! The requests that OTP's processes obey, as a table.
//!
//! There is one line for each clause that runs code, installs a callback, loads code or writes a file. Clauses that
//! change a setting, give away a secret, or start, stop or replace a process count, too.
//!
//! Sources: OTP 25 to 29 (kernel, stdlib, sasl, runtime_tools, ssl, mnesia, os_mon, tools, observer, debugger, eunit,
//! et, common_test, diameter, snmp, inets); Elixir.

use std::sync::LazyLock;

use crate::rules::pattern::Place;

use Kind::{Any, Atom, Binary, Fun, Int, List, Map, Mfa, More, Node, OneOf, Own, Pid, Run, Tagged, Text, Tuple};
use Reach::{Anyone, Unnamed};
use RequestForm::{Ask, AskOwn, Call, Cast, Event, Plain, Second};

/// The place of the request in a message. A request is `{Label, ...}`, or `Label` alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestForm {
    /// `{'$gen_call', From, Request}`
    Call,
    /// `{'$gen_cast', Request}`
    Cast,
    /// The message is the request.
    Plain,
    /// `{_, Request}`
    Ask,
    /// `{Own, Request}`: the apparent sender is a process or a port of the receiving node.
    AskOwn,
    /// `{_, _, Request}`
    Event,
    /// `{_, Label, ...}`
    Second,
}

impl RequestForm {
    /// The place of the request's label.
    pub fn place(self) -> Place {
        match self {
            RequestForm::Plain => Place::Front,
            RequestForm::Second => Place::Second,
            RequestForm::Call | RequestForm::Cast | RequestForm::Ask | RequestForm::AskOwn | RequestForm::Event => {
                Place::Last
            }
        }
    }
}

/// The kind of one element of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Any term.
    Any,
    /// Any number of terms, none included.
    More,
    /// An atom.
    Atom,
    /// An atom that is a node's name.
    Node,
    /// One of these atoms.
    OneOf(&'static [&'static str]),
    /// A pid.
    Pid,
    /// A pid or port of the receiving node.
    Own,
    /// A fun or an export.
    Fun,
    /// `{Module, Function, Arguments}`
    Mfa,
    /// A fun, or `{Module, Function, Arguments}`.
    Run,
    /// A list.
    List,
    /// A list or a binary: a name of a file.
    Text,
    /// A binary.
    Binary,
    /// A map.
    Map,
    /// An integer.
    Int,
    /// A tuple.
    Tuple,
    /// A tuple that begins with one of these atoms.
    Tagged(&'static [&'static str]),
}

/// The processes that obey a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Processes with any name, or without a name.
    Anyone,
    /// One server, whose name is closed anyway, or processes that never have a name: a message reaches it by pid or
    /// alias only.
    Unnamed,
}

/// One clause.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The place in a message.
    pub form: RequestForm,
    /// The first element.
    pub label: &'static str,
    /// The other elements; None: it is the label alone.
    pub rest: Option<&'static [Kind]>,
    /// The processes that obey it.
    pub reach: Reach,
}

const fn any(form: RequestForm, label: &'static str, rest: &'static [Kind]) -> Request {
    Request { form, label, rest: Some(rest), reach: Anyone }
}

const fn pid(form: RequestForm, label: &'static str, rest: &'static [Kind]) -> Request {
    Request { form, label, rest: Some(rest), reach: Unnamed }
}

const fn bare(form: RequestForm, label: &'static str, reach: Reach) -> Request {
    Request { form, label, rest: None, reach }
}

/// Levels of logger.
const LEVELS: Kind =
    OneOf(&["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug", "all", "none"]);
const SIGNALS: Kind = OneOf(&["sigusr1", "sigquit", "sigterm", "sighup", "sigusr2"]);
const BOOLEAN: Kind = OneOf(&["true", "false"]);

#[rustfmt::skip]
const REQUESTS: &[Request] = &[
    // supervisor, DynamicSupervisor, PartitionSupervisor, Task.Supervisor; a task runs what its owner sends it
    any(Call, "start_child", &[Any]),
    any(Call, "terminate_child", &[Any]),
    any(Call, "restart_child", &[Any]),
    any(Call, "delete_child", &[Any]),
    any(Call, "get_childspec", &[Any]),
    any(Call, "start_task", &[Any, Any, Any]),
    any(Cast, "try_again_restart", &[Any]),
    any(Cast, "try_again_restart", &[Any, Any]),
    // Agent, and what is made of agents; elixir_config
    any(Call, "get", &[Run]),
    any(Call, "get_and_update", &[Run]),
    any(Call, "update", &[Run]),
    any(Cast, "cast", &[Run]),
    pid(Call, "serial", &[Fun]),
    pid(Call, "update", &[Any, Fun]),
    // gen_event, which takes any term for the asker; erl_signal_server, whose events end the node
    any(Event, "add_handler", &[Any, Any]),
    any(Event, "add_sup_handler", &[Any, Any]),
    any(Event, "add_sup_handler", &[Any, Any, Any]),
    any(Event, "delete_handler", &[Any, Any]),
    any(Event, "swap_handler", &[Any, Any, Any, Any]),
    any(Event, "swap_sup_handler", &[Any, Any, Any, Any]),
    any(Event, "swap_sup_handler", &[Any, Any, Any, Any, Any]),
    any(Event, "sync_notify", &[SIGNALS]),
    any(Plain, "notify", &[SIGNALS]),
    // rex
    any(Call, "call", &[Any, Any, Any, Any]),
    any(Call, "block_call", &[Any, Any, Any, Any]),
    any(Cast, "cast", &[Any, Any, Any, Any]),
    any(Ask, "call", &[Any, Any, Any, Any]),
    any(Ask, "sbcast", &[Any, Any]),
    any(Ask, "send", &[Any, Any]),
    // net_kernel, net_kernel's ticker, and the processes that hold connections
    any(Call, "spawn", &[Any, Any, Any, Any]),
    any(Call, "spawn_link", &[Any, Any, Any, Any]),
    any(Call, "spawn_opt", &[Any, Any, Any, Any, Any, Any]),
    any(Call, "apply", &[Atom, Atom, List]),
    pid(Call, "passive_cnct", &[Atom]),
    pid(Call, "connect", &[Atom, Node]),
    pid(Call, "disconnect", &[Node]),
    pid(Call, "allow", &[List]),
    pid(Call, "verbose", &[Int]),
    pid(Call, "new_ticktime", &[Int, Int]),
    pid(Call, "setopts", &[Atom, List]),
    pid(Cast, "async_disconnect", &[Node]),
    any(Second, "registered_send", &[Any, Any]),
    any(Second, "badcookie", &[Any, Any]),
    pid(Plain, "auto_connect", &[Node, Any]),
    pid(Plain, "accept", &[Pid, Any, Any, Any]),
    pid(Plain, "dist_ctrlr", &[Any, Node, Pid]),
    pid(Plain, "setup_check", &[Node, Any, Any, Any]),
    pid(Plain, "setup_check_timeout", &[Node, Any]),
    pid(Plain, "new_ticktime", &[Int]),
    pid(Ask, "nodeup", &[Node, Any, Any, Any]),
    pid(Ask, "accept_pending", &[Any, Any, Any]),
    pid(Ask, "wait_pending", &[Node]),
    pid(Event, "setopts", &[List]),
    bare(AskOwn, "disconnect", Unnamed),
    bare(AskOwn, "tick", Unnamed),
    bare(AskOwn, "aux_tick", Unnamed),
    // auth
    bare(Call, "get_our_cookie", Anyone),
    bare(Call, "sync_cookie", Anyone),
    any(Call, "set_our_cookie", &[Any]),
    any(Call, "set_cookie", &[Any, Any]),
    pid(Call, "get_cookie", &[Atom]),
    // application_controller, application masters, dist_ac
    any(Call, "load_application", &[Any]),
    any(Call, "load_application", &[Any, Any]),
    any(Call, "start_application", &[Any, Any]),
    pid(Call, "unload_application", &[Atom]),
    pid(Call, "stop_application", &[Atom]),
    pid(Call, "permit_application", &[Atom, BOOLEAN]),
    pid(Call, "permit_application", &[Atom, BOOLEAN, Any, Any]),
    pid(Call, "takeover_application", &[Atom, Atom]),
    pid(Call, "control_application", &[Atom]),
    pid(Call, "change_application_data", &[Any, Any]),
    pid(Call, "config_change", &[Any]),
    bare(Call, "prep_config_change", Unnamed),
    pid(Call, "distribution_changed", &[Any]),
    pid(Call, "set_env", &[List, List]),
    pid(Call, "set_env", &[Atom, Any, Any, List]),
    pid(Call, "unset_env", &[Atom, Any, List]),
    pid(Cast, "application_started", &[Atom, Any]),
    pid(Cast, "application_stopped", &[Atom]),
    any(Plain, "ac_load_application_reply", &[More]),
    any(Plain, "ac_start_application_reply", &[More]),
    any(Plain, "ac_change_application_req", &[More]),
    any(Plain, "ac_load_application_req", &[More]),
    any(Plain, "ac_application_unloaded", &[More]),
    any(Plain, "ac_start_application_req", &[More]),
    any(Plain, "ac_application_run", &[More]),
    any(Plain, "ac_application_not_run", &[More]),
    any(Plain, "ac_application_stopped", &[More]),
    any(Plain, "dist_ac_new_node", &[More]),
    any(Plain, "dist_ac_app_started", &[More]),
    any(Plain, "dist_ac_app_stopped", &[More]),
    any(Plain, "dist_ac_app_loaded", &[More]),
    any(Plain, "dist_ac_app_unloaded", &[More]),
    any(Plain, "dist_ac_weight", &[More]),
    any(Plain, "dist_ac_new_permission", &[More]),
    any(Plain, "internal_restart_appl", &[More]),
    pid(Plain, "stop", &[Any, Pid]),
    bare(AskOwn, "terminate", Unnamed),
    // code_server, erts_code_purger, erl_prim_loader, erl_boot_server, erl_compile_server
    any(Plain, "code_call", &[Any, Any]),
    any(Plain, "purge", &[Atom, Pid, Any]),
    any(Plain, "soft_purge", &[Atom, Pid, Any]),
    any(Plain, "finish_after_on_load", &[Tuple, Pid, Any]),
    any(Plain, "test_purge", &[Atom, Pid, Any, Any]),
    any(Plain, "change_prio", &[Pid, Any, Any]),
    pid(Ask, "set_path", &[List]),
    pid(Ask, "get_file", &[Text]),
    pid(Ask, "get_files", &[More]),
    pid(Ask, "read_file", &[Text]),
    pid(Ask, "list_dir", &[Text]),
    pid(Call, "compile", &[Map]),
    // file_server_2
    pid(Call, "open", &[Text, List]),
    pid(Call, "read_file", &[Text]),
    pid(Call, "write_file", &[Text, Any]),
    pid(Call, "set_cwd", &[Text]),
    pid(Call, "delete", &[Text]),
    pid(Call, "rename", &[Text, Text]),
    pid(Call, "make_dir", &[Text]),
    pid(Call, "del_dir", &[Text]),
    pid(Call, "list_dir", &[Text]),
    pid(Call, "list_dir_all", &[Text]),
    pid(Call, "read_file_info", &[Text]),
    pid(Call, "read_file_info", &[Text, List]),
    pid(Call, "read_link_info", &[Text]),
    pid(Call, "read_link_info", &[Text, List]),
    pid(Call, "write_file_info", &[Text, Tuple]),
    pid(Call, "write_file_info", &[Text, Tuple, List]),
    pid(Call, "read_link", &[Text]),
    pid(Call, "read_link_all", &[Text]),
    pid(Call, "make_link", &[Text, Text]),
    pid(Call, "make_symlink", &[Text, Text]),
    pid(Call, "copy", &[Text, List, Text, List, Any]),
    // disk_log and dets: their servers, and the process of each log and table
    pid(Call, "open", &[Tuple]),
    pid(Call, "open", &[Text]),
    pid(Call, "open", &[Any, Tuple]),
    any(Plain, "$dets_call", &[More]),
    pid(Ask, "log", &[Atom, List]),
    pid(Plain, "alog", &[Atom, List]),
    pid(Ask, "truncate", &[Any, Atom, Int]),
    pid(Ask, "reopen", &[Text, Any, Atom, Int]),
    pid(Ask, "change_header", &[Tuple]),
    pid(Ask, "change_size", &[Any]),
    pid(Ask, "change_notify", &[Pid, Any]),
    pid(Ask, "internal_open", &[Any]),
    // logger, its handlers, and logger_proxy
    any(Call, "add_handler", &[Atom, Atom, Map]),
    any(Call, "remove_handler", &[Atom]),
    any(Call, "add_filter", &[Atom, Tuple]),
    any(Call, "remove_filter", &[Atom, Any]),
    any(Call, "change_config", &[Atom, Atom, Any]),
    any(Call, "change_config", &[Atom, Atom, Atom, Any]),
    any(Call, "update_formatter_config", &[Atom, Map]),
    any(Call, "set_module_level", &[List, LEVELS]),
    any(Call, "unset_module_level", &[Any]),
    pid(Call, "set_opts", &[Map]),
    pid(Cast, "config_changed", &[Map, Map]),
    any(Call, "$olp_load", &[Any]),
    any(Cast, "$olp_load", &[Any]),
    pid(Plain, "log", &[LEVELS, Any, List, Map]),
    pid(Plain, "log", &[LEVELS, Any, Map]),
    // inet_db, erl_epmd, the name service, socket_registry
    pid(Call, "load_hosts_file", &[List]),
    pid(Call, "add_host", &[Tuple, List]),
    pid(Call, "del_host", &[Tuple]),
    pid(Call, "add_rrs", &[List]),
    pid(Call, "del_rr", &[Tuple]),
    pid(Call, "listop", &[Atom, Atom, Any]),
    pid(Call, "listreplace", &[Atom, List]),
    pid(Call, "set_hostname", &[Text]),
    pid(Call, "res_set", &[Atom, Any]),
    pid(Call, "set_resolv_conf_tm", &[Any]),
    pid(Call, "set_hosts_file_tm", &[Any]),
    pid(Call, "set_socks_server", &[Tuple]),
    pid(Call, "set_socks_port", &[Int]),
    pid(Call, "add_socks_methods", &[List]),
    pid(Call, "del_socks_methods", &[List]),
    pid(Call, "register", &[Text, Int, Atom]),
    any(Plain, "$socket", &[More]),
    // global, global_group
    any(Call, "registrar", &[Any]),
    any(Plain, "trans_all_known", &[Fun, Any]),
    pid(Call, "register", &[Any, Pid, Any]),
    pid(Call, "register_ext", &[Any, Pid, Any, Node]),
    pid(Cast, "init_connect", &[Any, Node, Any]),
    pid(Cast, "exchange", &[Node, List, Any, Any]),
    pid(Cast, "exchange_ops", &[Node, Any, Any, Any]),
    pid(Cast, "resolved", &[Node, More]),
    pid(Cast, "new_nodes", &[Node, More]),
    pid(Cast, "in_sync", &[Node, Any]),
    pid(Plain, "lost_connection", &[Node, Any, Any, Node]),
    pid(Plain, "remove_connection", &[Node]),
    pid(Plain, "cancel_connect", &[Node, Any]),
    pid(Plain, "init_connect_ack", &[Node, Any, Any]),
    any(Plain, "group_nodedown", &[Node, Any]),
    any(Plain, "group_nodeup", &[Node, Any]),
    any(Plain, "extra_nodedown", &[Node]),
    pid(Call, "send", &[Atom, Any]),
    pid(Call, "send", &[Tuple, Any, Any]),
    pid(Call, "global_groups_changed", &[Any]),
    pid(Call, "global_groups_added", &[Any]),
    pid(Call, "global_groups_removed", &[Any]),
    pid(Cast, "send_res", &[Any, Any, Any, Any, Any]),
    pid(Cast, "conf_check", &[More]),
    // timer_server, pool_master, peer
    any(Call, "apply_once", &[Any]),
    any(Call, "apply_after", &[Any]),
    any(Call, "apply_interval", &[Any]),
    any(Call, "apply_repeatedly", &[Any]),
    pid(Call, "attach", &[Node]),
    pid(Call, "call", &[Atom, Atom, List]),
    pid(Cast, "cast", &[Atom, Atom, List]),
    pid(Cast, "send", &[Any, Any]),
    // heart
    pid(Second, "set_cmd", &[Any]),
    pid(Second, "set_callback", &[Any]),
    pid(Second, "set_options", &[List]),
    bare(Ask, "clear_cmd", Unnamed),
    bare(Ask, "clear_callback", Unnamed),
    // The shell: what is typed, what is evaluated, what starts one; IEx
    pid(Call, "start_shell", &[Any]),
    pid(Ask, "open_editor", &[Any]),
    any(AskOwn, "data", &[Any]),
    pid(AskOwn, "editor_data", &[Any]),
    pid(AskOwn, "signal", &[Any]),
    bare(AskOwn, "eof", Anyone),
    any(Plain, "shell_cmd", &[More]),
    any(Plain, "shell_rep", &[More]),
    any(Plain, "shell_req", &[More]),
    any(Plain, "eval", &[Own, Binary, Any]),
    any(Plain, "eval", &[Own, Binary, Any, Any]),
    // What ports and sockets of the node send
    any(Plain, "tcp", &[Own, Any]),
    any(Plain, "tcp_closed", &[Own]),
    any(Plain, "tcp_error", &[Own, Any]),
    any(Plain, "tcp_passive", &[Own]),
    any(Plain, "udp", &[Own, More]),
    any(Plain, "udp_passive", &[Own]),
    any(Plain, "udp_error", &[Own, Any]),
    any(Plain, "udp_closed", &[Own]),
    any(Plain, "inet_async", &[Own, More]),
    any(Plain, "inet_reply", &[Own, More]),
    any(AskOwn, "exit_status", &[Int]),
    // Signals, as they would come
    any(Plain, "DOWN", &[Any, OneOf(&["process", "port", "time_offset"]), Any, Any]),
    any(Plain, "CHANGE", &[Any, OneOf(&["time_offset"]), Any, Any]),
    any(Plain, "nodeup", &[Node]),
    any(Plain, "nodeup", &[Node, Any]),
    any(Plain, "nodedown", &[Node]),
    any(Plain, "nodedown", &[Node, Any]),
    // TLS connections, also of the distribution
    pid(Call, "application_data", &[Any]),
    pid(Call, "post_handshake_data", &[Any]),
    pid(Call, "dist_handshake_complete", &[Node, Any]),
    pid(Call, "new_user", &[Pid]),
    bare(Call, "get_application_traffic_secret", Unnamed),
    // release_handler, rb, os_mon
    any(Call, "unpack_release", &[Any]),
    any(Call, "check_install_release", &[Any, Any]),
    any(Call, "install_release", &[Any, Any, Any]),
    any(Call, "make_permanent", &[Any]),
    any(Call, "reboot_old_release", &[Any]),
    any(Call, "remove_release", &[Any]),
    any(Call, "set_unpacked", &[Any, Any]),
    any(Call, "set_removed", &[Any]),
    any(Call, "install_file", &[Any, Any]),
    pid(Call, "start_log", &[Text]),
    pid(Call, "set_check_interval", &[Any]),
    pid(Call, "set_almost_full_threshold", &[Any]),
    pid(Call, "set_threshold", &[Any]),
    pid(Call, "set_procmem_high_watermark", &[Any]),
    pid(Call, "set_sysmem_high_watermark", &[Any]),
    pid(Call, "set_helper_timeout", &[Any]),
    // mnesia
    pid(Call, "mktab", &[Atom, Any]),
    pid(Call, "unsafe_mktab", &[Atom, Any]),
    pid(Call, "open_dets", &[Any, Any]),
    pid(Call, "unsafe_open_dets", &[Any, Any]),
    pid(Call, "unsafe_create_external", &[Any, Any, Any, Any]),
    pid(Call, "open_log", &[Any]),
    pid(Call, "reopen_log", &[Any, Any, Any]),
    pid(Call, "log_master_nodes", &[Any, Any, Any, Any]),
    pid(Call, "log_mnesia_down", &[Node]),
    pid(Cast, "mnesia_down", &[More]),
    pid(Cast, "master_nodes_updated", &[Any, Any]),
    pid(Cast, "del_table_copy", &[Any]),
    pid(Plain, "mnesia_down", &[Node]),
    pid(Plain, "delete_transaction", &[Any]),
    pid(Plain, "release_tid", &[Any]),
    pid(Ask, "async_dirty", &[Any, Any, Any]),
    pid(Ask, "sync_dirty", &[Any, Any, Any]),
    pid(Ask, "ask_commit", &[More]),
    pid(Ask, "do_abort", &[Any]),
    pid(Ask, "block_tab", &[Any]),
    pid(Ask, "unblock_tab", &[Any]),
    bare(Ask, "do_commit", Unnamed),
    bare(Ask, "simple_commit", Unnamed),
    // dbg, cover, eunit, et, eprof, tprof, the debugger, common_test
    pid(Ask, "tracer", &[Fun]),
    pid(Ask, "p", &[Any, List]),
    pid(Ask, "link_to", &[Pid]),
    pid(Ask, "add_node", &[Node, More]),
    any(Plain, "remote", &[OneOf(&["load_compiled", "unload", "reset", "collect"]), Any, More]),
    pid(Ask, "start_nodes", &[List]),
    pid(Ask, "compile", &[Any, List]),
    pid(Ask, "compile_beams", &[List]),
    pid(Ask, "export", &[Text, Any]),
    pid(Ask, "import", &[Text]),
    any(Plain, "command", &[Pid, Tagged(&["start", "stop", "watch"])]),
    any(Call, "dict_insert", &[Any, Any]),
    pid(Call, "save_event_file", &[Any, Any]),
    pid(Call, "profile_start", &[Any, Any, Mfa, Any]),
    pid(Call, "profile", &[Run, Any]),
    pid(Call, "load", &[Atom, Any, Binary]),
    pid(Call, "idle_notify", &[Fun]),
    pid(Call, "start_get_totals", &[Fun]),
    pid(Call, "add_job", &[Any, Any, Any, Any]),
    pid(Plain, "sync_apply", &[Any, Mfa]),
    pid(Plain, "sync_apply_proxy", &[Any, Any, Mfa]),
    // diameter, snmp
    pid(Call, "call_module", &[Atom, Any]),
    pid(Call, "request", &[Atom, Any, Run, Any, Any]),
    pid(Call, "load_mibs", &[List, Any]),
    pid(Call, "register_notification_filter", &[Any, Atom, Any, Any]),
    pid(Call, "register_user", &[Any, Atom, Any, Any]),
];

/// The requests that begin with one label.
struct Labelled {
    /// A bit for each [`RequestForm`] that they have: of labels with more elements, and of labels alone.
    forms: [u8; 2],
    requests: Vec<Request>,
}

/// All requests by their label.
static BY_LABEL: LazyLock<Vec<Labelled>> = LazyLock::new(|| {
    let mut requests = REQUESTS.to_vec();
    requests.sort_by_key(|request| request.label);
    let same = requests.chunk_by(|a, b| a.label == b.label);
    let forms = |same: &[Request], bare| {
        let such = same.iter().filter(|request| request.rest.is_none() == bare);
        such.fold(0, |forms, request| forms | request.form.bit())
    };
    same.map(|same| Labelled { forms: [forms(same, false), forms(same, true)], requests: same.to_vec() }).collect()
});

/// The labels of all requests, each with the number by which [`labelled`] knows it.
pub fn labels() -> impl Iterator<Item = (&'static str, u16)> {
    BY_LABEL.iter().map(|same| same.requests[0].label).zip(0..)
}

impl RequestForm {
    /// A bit for each form.
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// True if a request with the label of that number has one of these forms, a bit for each. `bare`: the label stands alone.
#[inline(always)]
pub fn has_form(label: u16, forms: u8, bare: bool) -> bool {
    BY_LABEL.get(usize::from(label)).is_some_and(|same| same.forms[usize::from(bare)] & forms != 0)
}

/// The requests with the label of that number, if one of them has that form. `bare`: the label stands alone.
#[inline]
pub fn labelled(label: u16, form: RequestForm, bare: bool) -> &'static [Request] {
    match BY_LABEL.get(usize::from(label)) {
        Some(same) if same.forms[usize::from(bare)] & form.bit() != 0 => &same.requests,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::otp_internal::WORDS;
    use crate::term::atoms::{NodeNames, Word};

    /// An atom that has another meaning would never be looked up here.
    #[test]
    fn every_label_is_known_as_one() {
        let names = NodeNames { peer: b"a@b".as_slice().into(), guard: b"c@d".as_slice().into(), words: &WORDS };
        for request in REQUESTS {
            let word = names.word(request.label.as_bytes());
            let Word::Request(label) = word else { unreachable!("{}: {word:?}", request.label) };
            assert!(labelled(label, request.form, request.rest.is_none()).iter().any(|known| (
                known.label,
                known.rest
            ) == (
                request.label,
                request.rest
            )));
        }
    }

    /// Nothing is said twice.
    #[test]
    fn no_line_repeats_another() {
        for (i, a) in REQUESTS.iter().enumerate() {
            let again = |b: &&Request| (a.form, a.label, a.rest) == (b.form, b.label, b.rest);
            assert!(!REQUESTS[i + 1..].iter().any(|b| again(&b)), "{a:?}");
        }
    }
}
