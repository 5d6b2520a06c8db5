"""Functions with which a peer can run any code, if a rule accepts them with any arguments.

What passes does not depend on these lists: `distwall check` says by them what a rule amounts to.
"""

from collections.abc import Iterator

Function = tuple[str, str, str]
"""Module, name and arity."""


def _all(module: str, names: str, arities: str) -> Iterator[Function]:
    return ((module, name, arity) for name in names.split() for arity in arities)


RUNNERS: tuple[Function, ...] = (
    *_all("timer", "apply_after apply_interval apply_repeatedly", "234"),
    *_all("rpc", "call cast async_call block_call multicall", "345"),
    *_all("erpc", "call cast multicall send_request", "2345"),
    *_all("proc_lib", "spawn spawn_link start start_link", "1234"),
    *_all("erlang", "spawn spawn_link spawn_monitor", "1234"),
    *_all("erlang", "spawn_opt spawn_request", "2345"),
    *_all("erl_eval", "exprs expr", "2345"),
    *_all("timer", "tc", "1234"),
    *_all("erlang", "apply hibernate", "3"),
    *_all("gen_server", "start start_link start_monitor", "34"),
    *_all("gen_statem", "start start_link start_monitor", "34"),
    *_all("gen_event", "add_handler add_sup_handler", "3"),
    *_all("supervisor", "start_child start_link", "23"),
    *_all("sys", "install replace_state", "23"),
    *_all("code", "load_binary", "3"),
    *_all("code", "load_abs load_file add_path add_patha add_pathz", "1"),
    *_all("file", "eval script path_eval path_script", "123"),
    *_all("os", "cmd", "12"),
    *_all("erlang", "open_port load_module", "2"),
    *_all("Elixir.Kernel", "apply spawn spawn_link spawn_monitor", "13"),
    *_all("Elixir.Code", "eval_string eval_quoted eval_file compile_string compile_file load_file require_file", "123"),
    *_all("Elixir.System", "cmd shell", "123"),
    *_all("Elixir.Task", "async start start_link", "13"),
)
"""Functions that run any function given to them."""

SENDERS: tuple[Function, ...] = (
    *_all("erlang", "!", "2"),
    *_all("erlang", "send send_nosuspend", "23"),
    *_all("erlang", "send_after start_timer", "34"),
    *_all("timer", "send_after send_interval", "23"),
    *_all("gen", "call", "34"),
    *_all("gen_server", "call cast abcast multi_call send_request", "234"),
    *_all("gen_statem", "call cast send_request", "234"),
    *_all("gen_event", "notify sync_notify call send_request", "2345"),
    *_all("Elixir.Kernel", "send", "2"),
    *_all("Elixir.Process", "send send_after", "34"),
    *_all("Elixir.GenServer", "call cast abcast multi_call", "234"),
)
"""Functions that send any message to any process of the node: a server of OTP's can run a function for one."""
