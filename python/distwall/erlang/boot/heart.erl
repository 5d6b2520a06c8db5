%% Loads distwall's modules before any other code runs, then makes way for OTP's own heart.
%%
%% Distribution starts within the start of kernel. A release runs in embedded mode, where only the modules in its boot script
%% are loaded by then, and the script belongs to the release. But every boot script loads heart, in either mode, and calls
%% heart:start/0 before kernel. It looks in the folders of -pa first: `-pa DIR -distwall_boot DIR` with this module in DIR.
%% After start/0 the system is the same as without this module, plus distwall's modules.
-module(heart).

-export([start/0]).

start() ->
    init ! {self(), loaded, [load(Module) || Module <- modules()]},
    {ok, [[Boot | _] | _]} = init:get_argument(distwall_boot),
    {ok, Path} = erl_prim_loader:get_path(),
    {module, heart} = erlang:load_module(heart, original([Dir || Dir <- Path, Dir =/= Boot])),
    ?MODULE:start().

modules() ->
    [distwall_epmd, distwall, distwall_gate, distwall_shell, distwall_eval, distwall_match, distwall_bits, distwall_calls,
     distwall_ask, distwall_account, distwall_budget, distwall_text].

load(Module) ->
    {ok, Code, File} = erl_prim_loader:get_file(atom_to_list(Module) ++ ".beam"),
    {module, Module} = erlang:load_module(Module, Code),
    {Module, File}.

original([Dir | Dirs]) ->
    case erl_prim_loader:get_file(Dir ++ "/heart.beam") of
        {ok, Code, _} -> Code;
        error -> original(Dirs)
    end.
