//! Functions that call another function, given by their arguments.

/// The place of the call among the arguments of a wrapper.
#[derive(Clone, Copy)]
pub enum How {
    /// Module, function and arguments, from this index on.
    Function(usize),
    /// A fun without arguments.
    Fun(usize),
    /// A fun, then its arguments.
    Applied(usize),
    /// The first argument is the node, or a list of nodes; then module, function and arguments.
    FunctionAt,
    /// The same with a fun without arguments.
    FunAt,
}

/// Forms by the wrapper's arity. The first form that the arguments fit counts; without one, the call can't be told.
pub type Forms = &'static [(u8, How)];
/// Functions of one module.
type Wrappers = &'static [(&'static [&'static [u8]], Forms)];

const SPAWN: Forms = &[(1, How::Fun(0)), (2, How::FunAt), (3, How::Function(0)), (4, How::FunctionAt)];
const SPAWN_OPT: Forms = &[(2, How::Fun(0)), (3, How::FunAt), (4, How::Function(0)), (5, How::FunctionAt)];
const FUNCTION: Forms = &[(3, How::Function(0))];
const START: Forms = &[(3, How::Function(0)), (4, How::Function(0)), (5, How::Function(0))];
const APPLY: Forms = &[(1, How::Fun(0)), (2, How::Applied(0)), (3, How::Function(0))];
const LATER: Forms = &[(2, How::Fun(1)), (3, How::Applied(1)), (4, How::Function(1))];
const REMOTE: Forms = &[
    (2, How::FunAt),
    (3, How::FunAt),
    (4, How::FunctionAt),
    (4, How::FunAt),
    (5, How::FunctionAt),
    (6, How::FunctionAt),
];
/// The forms of a call at several nodes; without nodes, it is a call at all of them.
const EVERYWHERE: Forms = &[(4, How::FunctionAt), (5, How::FunctionAt)];
const SUPERVISED: Forms = &[(2, How::Fun(1)), (3, How::Fun(1)), (4, How::Function(1)), (5, How::Function(1))];
/// The forms of a call that can't be read off.
const HIDDEN: Forms = &[];

/// The functions of OTP 25 to 29 and Elixir that call a function named by their arguments, and do little else.
const WRAPPERS: &[(&[u8], Wrappers)] = &[
    (
        b"erlang",
        &[
            (&[b"apply"], APPLY),
            (&[b"spawn", b"spawn_link", b"spawn_monitor"], SPAWN),
            (&[b"spawn_opt"], SPAWN_OPT),
            (
                &[b"spawn_request"],
                &[
                    (1, How::Fun(0)),
                    (2, How::Fun(0)),
                    (2, How::FunAt),
                    (3, How::Function(0)),
                    (3, How::FunAt),
                    (4, How::FunctionAt),
                    (4, How::Function(0)),
                    (5, How::FunctionAt),
                ],
            ),
            (&[b"hibernate"], FUNCTION),
        ],
    ),
    (
        b"erpc",
        &[
            (&[b"execute_call"], &[(3, How::Function(0)), (4, How::Function(1))]),
            (&[b"execute_cast"], FUNCTION),
            (&[b"call", b"cast", b"send_request", b"multicall", b"multicast"], REMOTE),
        ],
    ),
    (
        b"rpc",
        &[
            (&[b"call", b"block_call", b"cast", b"async_call"], REMOTE),
            (&[b"multicall", b"eval_everywhere"], EVERYWHERE),
            (&[b"parallel_eval", b"pmap"], HIDDEN),
        ],
    ),
    (b"net", &[(&[b"call", b"block_call", b"cast"], REMOTE), (&[b"broadcast"], HIDDEN)]),
    (
        b"proc_lib",
        &[
            (&[b"spawn", b"spawn_link"], SPAWN),
            (&[b"spawn_opt"], SPAWN_OPT),
            (&[b"start", b"start_link", b"start_monitor"], START),
            (&[b"init_p"], &[(3, How::Fun(2)), (5, How::Function(2))]),
            (&[b"wake_up", b"hibernate"], FUNCTION),
        ],
    ),
    (
        b"timer",
        &[
            (&[b"apply_after", b"apply_interval", b"apply_repeatedly"], LATER),
            (
                &[b"tc"],
                &[
                    (1, How::Fun(0)),
                    (2, How::Applied(0)),
                    (2, How::Fun(0)),
                    (3, How::Function(0)),
                    (3, How::Applied(0)),
                    (4, How::Function(0)),
                ],
            ),
        ],
    ),
    (
        b"error_handler",
        &[(&[b"undefined_function", b"breakpoint"], FUNCTION), (&[b"undefined_lambda"], &[(3, How::Applied(1))])],
    ),
    (b"erts_code_purger", &[(&[b"pending_purge_lambda"], &[(3, How::Applied(1))])]),
    (
        b"erts_internal",
        &[
            (&[b"spawn_system_process"], FUNCTION),
            (&[b"spawn_request"], &[(4, How::Function(0))]),
            (&[b"spawn_init", b"dist_spawn_request"], HIDDEN),
        ],
    ),
    (b"net_kernel", &[(&[b"spawn_func"], &[(6, How::Function(2))]), (&[b"do_spawn"], HIDDEN)]),
    (b"c", &[(&[b"appcall"], &[(4, How::Function(1))])]),
    (b"pool", &[(&[b"do_spawn"], &[(4, How::Function(1))]), (&[b"pspawn", b"pspawn_link"], HIDDEN)]),
    (b"peer", &[(&[b"call", b"cast"], HIDDEN)]),
    (b"lcnt", &[(&[b"apply"], APPLY)]),
    (
        b"fprof",
        &[(&[b"apply"], &[(2, How::Applied(0)), (3, How::Function(0)), (3, How::Applied(0)), (4, How::Function(0))])],
    ),
    (b"eprof", &[(&[b"profile"], HIDDEN)]),
    (b"tprof", &[(&[b"profile"], HIDDEN)]),
    (b"Elixir.Kernel", &[(&[b"apply"], APPLY), (&[b"spawn", b"spawn_link", b"spawn_monitor"], SPAWN)]),
    (b"Elixir.Node", &[(&[b"spawn", b"spawn_link", b"spawn_monitor"], REMOTE)]),
    (b"Elixir.Process", &[(&[b"spawn"], &[(2, How::Fun(0)), (4, How::Function(0))]), (&[b"hibernate"], FUNCTION)]),
    (
        b"Elixir.Task",
        &[
            (&[b"start", b"start_link", b"async"], &[(1, How::Fun(0)), (3, How::Function(0))]),
            (&[b"async_stream"], HIDDEN),
        ],
    ),
    (b"Elixir.Task.Supervised", &[(&[b"start", b"start_link", b"reply", b"noreply", b"stream"], HIDDEN)]),
    (
        b"Elixir.Task.Supervisor",
        &[
            (&[b"async", b"async_nolink", b"start_child"], SUPERVISED),
            (&[b"async_stream", b"async_stream_nolink"], HIDDEN),
        ],
    ),
    (b"Elixir.Agent", &[(&[b"start", b"start_link", b"get", b"update", b"get_and_update", b"cast"], HIDDEN)]),
];

/// The forms of this function, if it is a wrapper.
#[must_use]
pub fn forms(module: &[u8], function: &[u8]) -> Option<Forms> {
    let (_, functions) = WRAPPERS.iter().find(|(name, _)| *name == module)?;
    functions.iter().find(|(names, _)| names.contains(&function)).map(|(_, forms)| *forms)
}
