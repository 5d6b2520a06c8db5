"""Services: what each opens is all that it opens."""

from dataclasses import replace
from typing import Any

from tests.attacks.corpus import behaviours, devices, forging, relays, servers
from tests.attacks.corpus.attack import COLLECTOR, GONE, Attack

KNOWN = {
    attack.name: attack for chapter in (behaviours, devices, forging, relays, servers) for attack in chapter.ATTACKS
}
MFA = "erlang, send, [victim, Mark]"
NOT_CALLED = "{error,{erpc,not_allowed}}"


def under(service: str, name: str, **changed: Any) -> Attack:
    """An attack that is made elsewhere, under this service."""
    policy = [f"accept {service}"]
    fields = {"name": f"{service}: {name}", "policy": policy, "by_pid": None, "reason": "default", **changed}
    attack: Attack = replace(KNOWN[name], **fields)
    return attack


def shown(what: str) -> str:
    """A process that the guarded node has told the attacker of."""
    return f"{{nobody, Peer}} ! {{see, {what}}}, Peer = rpc:call(Peer, erlang, node, []), {what}"


def call(service: str, does: str, called: str) -> Attack:
    """A function that a service doesn't open."""
    return Attack(
        name=f"{service}: another function",
        does=does,
        policy=[f"accept {service}"],
        reason="default",
        erlang=f"erpc:call(G, {called})",
        sees=NOT_CALLED,
    )


ATTACKS = [
    under("gen_server target", "sys:replace_state"),
    under("gen_server target", "sys:terminate"),
    under("gen_server target", "a forged EXIT message"),
    under("gen_server target", "start_child", reason="otp_internal"),
    under("gen_server target", "a call for another process"),
    Attack(
        name="gen_server target: a plain message",
        does="sends what is neither a call nor a cast",
        policy=["accept gen_server target"],
        reason="default",
        setup=COLLECTOR,
        erlang="To ! Mark, ok",
        effect="lists:member(Mark, probe:got(target))",
    ),
    under("gen_event target", "add_handler"),
    under("gen_event target", "swap_handler"),
    under("ping", "net_kernel spawns"),
    under("ping", "net_kernel disconnects"),
    under("ping", "net_kernel sends on"),
    under("global", "registrar", settings="funs = true"),
    under("global", "registrar of wrong arity", settings="funs = true"),
    Attack(
        name="pg: what a scope doesn't know",
        does="sends a scope of process groups something, over which it crashes",
        policy=["accept pg target"],
        reason="default",
        setup="{ok, Scope} = pg:start(target), persistent_term:put(before, Scope)",
        erlang="To ! Mark, ok",
        effect="whereis(target) =/= persistent_term:get(before)",
        cleanup=GONE,
    ),
    under("logger", "a report's function", reason="funs"),
    under("logger", "a log handler", sees="{exit,{noproc,..."),
    call("observer", "calls what `observer` doesn't", MFA),
    Attack(
        name="observer: for another process",
        does="has what `observer` asks for sent to a process of the guarded node",
        policy=["accept observer"],
        reason="default",
        knows="whereis(victim)",
        erlang="erpc:call(G, observer_backend, etop_collect, [Known])",
        sees=NOT_CALLED,
        effect="lists:any(fun(M) -> is_tuple(M) andalso is_pid(element(1, M)) end, probe:got(victim))",
        cleanup="exit(whereis(victim), kill), probe:until(fun() -> whereis(victim) =:= undefined end),"
        " probe:collector(victim)",
    ),
    call("remsh", "calls a function where only a shell may be started", MFA),
    call("code_loading", "calls a function other than the loader", MFA),
    under(
        "remote_output",
        "io request to user",
        knows=shown("whereis(user)"),
        erlang="Known ! {io_request, self(), make_ref(), {put_chars, unicode, erlang, send, [victim, Mark]}}, ok",
    ),
]
