"""What every gen_server, supervisor and gen_event does for whoever may send to it."""

from tests.attacks.corpus.attack import SERVER, asked, called, told

HELD = "probe:collector(holder), {ok, _} = probe:do(holder, fun() -> START end)"
LET_GO = "catch exit(whereis(holder), kill), probe:until(fun() -> whereis(target) =:= undefined end)"
SUPERVISOR = HELD.replace("START", "supervisor:start_link({local, target}, probe, supervisor)")
EVENTS = "{ok, _} = gen_event:start({local, target})"

ATTACKS = [
    called(
        "sys:replace_state",
        "target",
        "has a fun run on a gen_server's state",
        "sys:replace_state(To, fun(_) -> victim ! Mark end, 2000)",
        setup=SERVER,
    ),
    called(
        "sys:install",
        "target",
        "has a fun run at each step of a gen_server",
        "sys:install(To, {fun(_, _, _) -> victim ! Mark end, state}, 2000), gen_server:call(To, get)",
        setup=SERVER,
    ),
    called(
        "sys:get_state",
        "target",
        "reads a gen_server's state",
        "persistent_term:put(Mark, {state, sys:get_state(To, 2000)})",
        setup=SERVER,
        on="foe",
        effect="persistent_term:get(Mark, none) =:= {state, 0}",
        fragments=False,
    ),
    called(
        "sys:suspend",
        "target",
        "stops a gen_server where it is",
        "sys:suspend(To, 2000)",
        setup=SERVER,
        effect="(catch gen_server:call(target, get, 300)) =/= 0",
    ),
    told(
        "sys:terminate",
        "target",
        "ends a gen_server",
        "{system, {self(), make_ref()}, {terminate, Mark}}",
        setup=SERVER,
        effect="whereis(target) =:= undefined",
    ),
    told(
        "a forged EXIT message",
        "target",
        "a message of the form that a gen_server takes for its parent's end",
        "{'EXIT', Known, Mark}",
        setup=HELD.replace("START", "gen_server:start_link({local, target}, probe, 0, [])"),
        knows="whereis(holder)",
        effect="whereis(target) =:= undefined",
        cleanup=LET_GO,
    ),
    asked(
        "start_child",
        "target",
        "has a supervisor start what it is told",
        "{start_child, #{id => child, start => {erlang, send, [victim, Mark]}}}",
        setup=SUPERVISOR,
        cleanup=LET_GO,
    ),
    asked(
        "start_child, as a tuple",
        "target",
        "the same with the older form of a child specification",
        "{start_child, {child, {erlang, send, [victim, Mark]}, temporary, 5, worker, []}}",
        setup=SUPERVISOR,
        cleanup=LET_GO,
    ),
    asked(
        "terminate_child",
        "target",
        "has a supervisor stop a child",
        "{terminate_child, child}",
        setup=f"{SUPERVISOR}, {{ok, _}} = supervisor:start_child(target, #{{id => child, start =>"
        " {gen_server, start_link, [{local, child}, probe, 0, []]}})",
        effect="whereis(child) =:= undefined",
        cleanup=LET_GO,
    ),
    called(
        "add_handler",
        "target",
        "has an event manager take a module as its handler",
        "gen_event:add_handler(To, probe, {handler, victim, Mark})",
        setup=EVENTS,
        sees="{exit,not_allowed}",
    ),
    called(
        "add_sup_handler",
        "target",
        "the same, tied to the attacker's process",
        "gen_event:add_sup_handler(To, probe, {handler, victim, Mark})",
        setup=EVENTS,
        sees="{exit,not_allowed}",
    ),
    called(
        "swap_handler",
        "target",
        "has an event manager exchange a handler",
        "gen_event:swap_handler(To, {none, x}, {probe, Mark})",
        setup=EVENTS,
        effect="gen_event:which_handlers(target) =:= [probe]",
        sees="{exit,not_allowed}",
    ),
]
