%% Prints a line for each clause of OTP's behaviours: where it is, its pattern, and messages that it matches.
%%
%% A variable in a pattern takes any term, so there is one message for each kind of term in the place of all variables.
%% Words in capitals stand for terms that only a test can make (see tests/wire/written.py).
-module(behaviour_clauses).
-export([main/1]).

%% A module, its functions with clauses for messages, the argument or `inside` (a case or receive), and the wrapping.
table() ->
    [{gen_server, [decode_msg], inside, "~ts"}, {gen_server, [handle_msg], 1, "~ts"},
     {gen_statem, [loop_receive, loop_msg], inside, "~ts"},
     {gen_event, [decode_msg, handle_msg], inside, "~ts"},
     {gen_fsm, [decode_msg], inside, "~ts"}, {gen_fsm, [dispatch], 1, "~ts"},
     {supervisor, [handle_call], 1, "{'$gen_call', From, ~ts}"},
     {supervisor, [handle_cast], 1, "{'$gen_cast', ~ts}"},
     {supervisor, [handle_info], 1, "~ts"},
     {supervisor_bridge, [handle_call], 1, "{'$gen_call', From, ~ts}"},
     {supervisor_bridge, [handle_info], 1, "~ts"},
     {sys, [suspend_loop], inside, "~ts"}, {sys, [do_cmd], 2, "{system, From, ~ts}"}].

kinds() -> ["1", "x", "Own", "Pid", "From", "[1]", "Ref", "Map"].

%% Folders with sources: of stdlib, and of kernel.
main(Folders) ->
    lists:foreach(fun(Row) -> clauses(Row, Folders) end, table()).

clauses({Module, Functions, Where, Wrap}, Folders) ->
    [File | _] = [File || Folder <- Folders, File <- [filename:join(Folder, atom_to_list(Module) ++ ".erl")], filelib:is_regular(File)],
    Includes = [filename:join(Folder, "../include") || Folder <- Folders],
    {ok, Forms} = epp:parse_file(File, [{includes, [filename:dirname(File) | Includes]}]),
    Found = [F || {function, _, Name, _, _} = F <- Forms, lists:member(Name, Functions)],
    Found =/= [] orelse halt_with("~ts: none of ~p is there", [File, Functions]),
    [clause(Module, Name, Pattern, Wrap) || {function, _, Name, _, Clauses} <- Found, Pattern <- patterns(Where, Clauses)].

patterns(inside, Clauses) -> inside(Clauses);
patterns(N, Clauses) -> [lists:nth(N, Head) || {clause, _, Head, _, _} <- Clauses, length(Head) >= N].

%% The patterns of every case and receive within.
inside({'case', _, _, Clauses}) -> heads(Clauses);
inside({'receive', _, Clauses}) -> heads(Clauses);
inside({'receive', _, Clauses, _, After}) -> heads(Clauses) ++ inside(After);
inside(Tuple) when is_tuple(Tuple) -> inside(tuple_to_list(Tuple));
inside([H | T]) -> inside(H) ++ inside(T);
inside(_) -> [].

%% Atoms there are results of functions.
heads(Clauses) -> [Pattern || {clause, _, [Pattern], _, _} <- Clauses, element(1, Pattern) =/= atom] ++ [P || {clause, _, _, _, Body} <- Clauses, P <- inside(Body)].

%% Only tuples are messages with a meaning; a variable takes what is left.
clause(Module, Name, Pattern, Wrap) ->
    case Pattern of
        {var, _, _} -> ok;
        {match, At, {var, _, _}, Inner} when element(1, Inner) =:= tuple -> clause(Module, Name, setelement(2, Inner, At), Wrap);
        {match, At, Inner, {var, _, _}} when element(1, Inner) =:= tuple -> clause(Module, Name, setelement(2, Inner, At), Wrap);
        {Type, At, _} when Type =:= tuple; Type =:= atom ->
            Written = lists:flatten(string:replace(erl_pp:expr(Pattern), "\n", " ", all)),
            Messages = lists:usort([lists:flatten(io_lib:format(Wrap, [message(Pattern, Kind)])) || Kind <- kinds()]),
            Line = case At of {L, _} -> L; L -> L end,
            io:format("~ts:~ts:~p\t~ts\t~ts~n", [Module, Name, Line, flat(Written), lists:join("\t", Messages)]);
        _ -> ok
    end.

flat(Text) -> re:replace(Text, "\\s+", " ", [global, {return, list}]).

message({tuple, _, Elements}, Kind) -> ["{", lists:join(", ", [message(E, Kind) || E <- Elements]), "}"];
message({atom, _, Atom}, _) -> io_lib:format("'~ts'", [Atom]);
message({integer, _, N}, _) -> integer_to_list(N);
message({nil, _}, _) -> "[]";
message({cons, _, H, _}, Kind) -> ["[", message(H, Kind), "]"];
message({match, _, {var, _, _}, P}, Kind) -> message(P, Kind);
message({match, _, P, _}, Kind) -> message(P, Kind);
message({map, _, _}, _) -> "Map";
message(_, Kind) -> Kind.

halt_with(Format, Arguments) -> io:format(standard_error, Format ++ "~n", Arguments), halt(1).
