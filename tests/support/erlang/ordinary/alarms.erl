%% A gen_event manager that collects alarms; its handler was installed at home.
-module(alarms).
-behaviour(gen_event).
-export([setup/0, run/1]).
-export([init/1, handle_event/2, handle_call/2, handle_info/2]).

setup() ->
    {ok, Pid} = gen_event:start({local, alarms}),
    ok = gen_event:add_handler(alarms, ?MODULE, []),
    Pid.

init(Raised) -> {ok, Raised}.

handle_event({raise, Alarm}, Raised) -> {ok, [Alarm | Raised]};
handle_event({clear, Alarm}, Raised) -> {ok, lists:delete(Alarm, Raised)}.

handle_call(raised, Raised) -> {ok, lists:sort(Raised), Raised};
handle_call({sleep, Time}, Raised) -> timer:sleep(Time), {ok, slept, Raised}.

handle_info(_, Raised) -> {ok, Raised}.

run(Peer) ->
    Alarms = {alarms, Peer},
    Raised = fun() -> gen_event:call(Alarms, ?MODULE, raised) end,
    probe:steps([
        {notify, fun() -> [gen_event:notify(Alarms, {raise, {disk, N}}) || N <- [1, 2, 3]], Raised() end},
        {sync_notify, fun() -> {gen_event:sync_notify(Alarms, {clear, {disk, 2}}), Raised()} end},
        {late, fun() -> catch gen_event:call(Alarms, ?MODULE, {sleep, 100}, 20) end},
        {request, fun() ->
            Request = gen_event:send_request(Alarms, ?MODULE, raised),
            gen_event:receive_response(Request, 5000)
        end},
        {which_handlers, fun() -> gen_event:which_handlers(Alarms) end},
        {other_handler, fun() -> gen_event:call(Alarms, no_such_handler, raised) end},
        {clear, fun() -> [gen_event:notify(Alarms, {clear, {disk, N}}) || N <- [1, 3]], Raised() end},
        {nobody, fun() -> catch gen_event:sync_notify({nobody, Peer}, hi) end}
    ]).
