%% Something harmless that a peer may be let call.
-module(inventory).
-export([touch/1, touched/0]).

touch(N) ->
    persistent_term:put(?MODULE, touched() ++ [N]),
    N.

touched() -> persistent_term:get(?MODULE, []).
