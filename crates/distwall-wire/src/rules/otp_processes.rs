//! The applications and modules by which a process is known as one of OTP's or Elixir's own.
//!
//! The application of a process tells most of them. A module tells the others: masters of users' applications, and
//! processes that terminals and shells start. Modules that run what a user gives them (`supervisor`, `gen_event`,
//! `erpc`) tell nothing.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use rustc_hash::FxBuildHasher;

/// Applications. Source: OTP 25 to 29 and Elixir 1.14 to 1.18.
const APPLICATIONS: &str = "
    asn1 common_test compiler crypto debugger dialyzer diameter edoc eex elixir eldap erl_docgen erl_interface erts et
    eunit ex_unit ftp iex inets jinterface kernel logger megaco mix mnesia observer odbc os_mon parsetools public_key
    reltool runtime_tools sasl snmp ssh ssl stdlib syntax_tools tftp tools wx xmerl
";

/// Modules of `kernel` whose processes are OTP's, also where a user's program starts them.
const KERNEL: &str = "
    application_controller application_master auth code_server data_publisher
    disk_log disk_log_server disk_log_sup dist_ac dist_util
    erl_boot_server erl_compile_server erl_distribution erl_epmd erl_signal_handler error_logger file_io_server
    file_server gen_tcp_socket gen_udp_socket global global_group global_search group group_history heart inet_db inet_gethost_native inet_tcp_dist
    inet6_tcp_dist kernel kernel_config kernel_refc logger logger_disk_log_h logger_h_common logger_handler_watcher
    logger_olp logger_proxy logger_server logger_simple_h logger_std_h logger_sup net_kernel pg prim_tty ram_file
    raw_file_io_deflate raw_file_io_delayed raw_file_io_inflate standard_error user user_drv user_sup
";

/// Likewise of `stdlib`.
const STDLIB: &str = "
    dets dets_server dets_sup error_logger_file_h error_logger_tty_h log_mf_h peer pool shell slave timer_server
";

/// Likewise of `erts`.
const ERTS: &str = "
    atomics erl_init erl_prim_loader erts_code_purger erts_dirty_process_signal_handler erts_internal
    erts_literal_area_collector erts_trace_cleaner init prim_file prim_inet socket_registry
";

/// Beginnings of modules of Elixir's, and the applications that they belong to.
const PREFIXES: [(&str, &str); 6] = [
    ("elixir_", "elixir"),
    ("Elixir.Logger", "logger"),
    ("Elixir.IEx", "iex"),
    ("Elixir.Mix.", "mix"),
    ("Elixir.ExUnit.", "ex_unit"),
    ("Elixir.Kernel.ParallelCompiler", "elixir"),
];

/// True for an application of OTP's or Elixir's.
#[must_use]
pub fn is_application(name: &[u8]) -> bool {
    static KNOWN: LazyLock<HashSet<&[u8], FxBuildHasher>> = LazyLock::new(|| words(APPLICATIONS).collect());
    KNOWN.contains(name)
}

/// The application to which a module belongs, if its processes are OTP's or Elixir's own.
#[must_use]
pub fn application_of(module: &[u8]) -> Option<&'static str> {
    static KNOWN: LazyLock<HashMap<&[u8], &str, FxBuildHasher>> = LazyLock::new(|| {
        let listed = [("kernel", KERNEL), ("stdlib", STDLIB), ("erts", ERTS)];
        listed
            .into_iter()
            .flat_map(|(application, modules)| words(modules).map(move |one| (one, application)))
            .collect()
    });
    let begins = |(prefix, _): &(&str, &str)| module.starts_with(prefix.as_bytes());
    let begun = || PREFIXES.into_iter().find(begins).map(|(_, application)| application);
    KNOWN.get(module).copied().or_else(begun)
}

fn words(text: &'static str) -> impl Iterator<Item = &'static [u8]> {
    text.split_ascii_whitespace().map(str::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_that_run_what_users_give_them_tell_nothing() {
        for module in ["supervisor", "gen_event", "proc_lib", "erpc", "rpc", "erlang", "Elixir.DynamicSupervisor"] {
            assert_eq!(application_of(module.as_bytes()), None, "{module}");
        }
        assert_eq!(application_of(b"application_master"), Some("kernel"));
        assert_eq!(application_of(b"Elixir.IEx.Server"), Some("iex"));
        assert!(is_application(b"mnesia") && !is_application(b"shop"));
    }
}
