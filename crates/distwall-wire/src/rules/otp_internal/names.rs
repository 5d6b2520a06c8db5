//! The names that OTP and Elixir register for their own processes.
//!
//! Nearly any message to such a process changes something, and a few end the node. So no message to one of these names
//! is ordinary. `net_kernel` is not here, as it may be pinged, and neither is `rex`: its requests are recognised by
//! their shape.

/// Names. Source: OTP 25 to 29 and Elixir 1.14 to 1.18, with applications that are not started by default.
const NAMES: &str = "
    Elixir.Logger __erts_alloc_config__ cdv_progress_handler alarm_handler application_controller appmon_info
    asn1_driver_owner asn1_ns asn1db auth beam_lib__crypto_key_server boot_server cdv_wx code_server compl_pid
    cover_server cpu_sup crashdump_viewer crashdump_viewer_server ct_config_server ct_default_gl ct_event
    ct_hooks_lock ct_logs ct_make_ref ct_master ct_master_event ct_master_logs ct_util_server cth_log_redirect dbg
    dbg_iserver dbg_wx_mon dbg_wx_winman ddll_server dets dets_server dets_sup diameter_config diameter_config_sup
    diameter_dist diameter_etcp_sup diameter_event_logger diameter_misc_sup diameter_peer diameter_peer_fsm_sup
    diameter_reg diameter_sctp_sup diameter_service_sup diameter_stats diameter_sup diameter_sync diameter_tcp_sup
    diameter_transport_sup diameter_watchdog_sup disk_log_server disk_log_sup disksup dist_ac drv_complete
    dtls_connection_sup dtls_connection_sup_dist dtls_listener_sup dtls_server_session_cache_sup dtls_server_sup
    dtls_sup elixir_code_server elixir_config elixir_sup eprof erl_compile_server erl_epmd erl_prim_loader erl_reply
    erl_signal_server error_logger erts_alloc_config erts_code_purger et_collector etop_input_server etop_server
    eunit_server file_server file_server_2 fprof_server ftp_sup global global_group global_group_check
    global_name_server group heart heart_port httpc_handler_sup httpc_manager httpc_profile_sup httpc_sup
    httpd_acceptor_sup httpd_sup httpd_tester inet_db inet_gethost_native inet_gethost_native_sup inets_sup init
    init__boot__on_load_handler kernel_refc kernel_safe_sup kernel_sup lcnt logger logger_handler_watcher
    logger_proxy logger_server logger_simple_h logger_std_h_default logger_sup megaco_config megaco_misc_sup
    megaco_monitor megaco_sup megaco_trans_sup memsup mnesia_checkpoint_sup mnesia_controller
    mnesia_dumper_load_regulator mnesia_event mnesia_ext_sup mnesia_fallback mnesia_kernel_sup mnesia_late_loader
    mnesia_locker mnesia_monitor mnesia_recover mnesia_rpc mnesia_snmp_sup mnesia_subscr mnesia_substr mnesia_sup
    mnesia_tm net_sup nteventlog observer odbc_sup os_mon_sup os_mon_sysinfo os_server os_sup_server
    peer_supervision pg pool_master rb_server release_handler rex_proxy_user rsh_starter runtime_tools_sup
    sasl_safe_sup sasl_sup shell snmp_app_sup snmp_ex2_manager snmp_test_manager snmp_test_mgr snmpa_agent
    snmpa_agent_sup snmpa_local_db snmpa_misc_sup snmpa_supervisor snmpa_symbolic_store snmpa_target_cache
    snmpm_config snmpm_misc_sup snmpm_server snmpm_server_cbproxy snmpm_server_nis snmpm_server_sup snmpm_supervisor
    socket_registry ssh_dbg ssh_lsocket_sup ssh_sup sshc_sup sshd_sup ssl_admin_sup ssl_connection_sup
    ssl_dist_admin_sup ssl_dist_connection_sup ssl_dist_sup ssl_listen_tracker_sup ssl_listen_tracker_sup_dist
    ssl_manager ssl_manager_dist ssl_pem_cache ssl_pem_cache_dist ssl_server_session_cache_sup ssl_sup ssl_trace
    ssl_unknown_listener ssl_upgrade_server_session_cache_sup ssl_upgrade_server_session_cache_sup_dist
    standard_error standard_error_sup standard_error_writer system_information take_over_monitor test_server
    test_server_break_process test_server_ctrl test_server_io test_server_sup tftp_sup timer_server
    tls_client_ticket_store tls_connection_sup tls_dist_connection_sup tls_dist_server_sup tls_dist_sup
    tls_server_session_ticket_sup tls_server_session_ticket_sup_dist tls_server_sup tls_sup tprof ttb user user_drv
    user_drv_reader user_drv_writer wxe_master
";

/// Prefixes of names made at run time: logger handlers, servers of inets, tools of Elixir.
pub const PREFIXES: [&str; 11] = [
    "logger_std_h_",
    "logger_disk_log_h_",
    "httpd__",
    "httpd_acceptor_sup_",
    "httpd_connection_sup_",
    "httpd_instance_sup_",
    "httpd_misc_sup_",
    "Elixir.Logger.",
    "Elixir.Mix.",
    "Elixir.IEx.",
    "Elixir.ExUnit.",
];

/// All names.
pub fn all() -> impl Iterator<Item = &'static str> {
    NAMES.split_ascii_whitespace()
}
