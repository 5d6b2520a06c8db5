%% Values and exceptions as text, for the shells of peers. Printing calls no formatter of a module that an exception names, and no
%% printer of records.
-module(distwall_text).

-export([term/1, value/1, exception/3]).

%% Most characters of a printed value, and of a value within a message.
-define(MAX_VALUE, 100000).
-define(MAX_PART, 2000).

%% Prints a term in one line.
-spec term(term()) -> unicode:chardata().
term(Term) ->
    distwall_budget:weigh(Term),
    io_lib:format("~0tp", [Term], [{chars_limit, ?MAX_PART}]).

%% Prints the value of a line.
-spec value(term()) -> unicode:chardata().
value(Term) ->
    distwall_budget:weigh(Term),
    io_lib:format("~tp", [Term], [{chars_limit, ?MAX_VALUE}]).

%% Prints an exception. The stack may be forged: only the shape of its first entry is used.
-spec exception(throw | error | exit, term(), term()) -> unicode:chardata().
exception(Class, Reason, Stack) ->
    case distwall_budget:is_refusal(Reason) of
        true ->
            {_, Text} = Reason,
            ["** distwall: ", [printable(One) || One <- unicode:characters_to_list(Text)]];
        false ->
            ["** exception ", atom_to_list(Class), ": ", reason(Class, Reason, first(Stack))]
    end.

printable(One) when is_integer(One), One >= 32, One < 127; is_integer(One), One >= 160 -> One;
printable(_) -> $?.

%% The function that failed, unless distwall has it.
first([{Module, Name, Given, _} | _]) when is_atom(Module), is_atom(Name), is_list(Given) orelse is_integer(Given) ->
    case lists:prefix("distwall", atom_to_list(Module)) orelse Module =:= prim_eval of
        true -> none;
        false -> {Module, Name, Given}
    end;
first(_) ->
    none.

reason(throw, Reason, _) -> term(Reason);
reason(exit, Reason, _) -> term(Reason);
reason(error, {badmatch, Value}, _) -> ["no match of right hand side value ", term(Value)];
reason(error, {unbound, Name}, _) when is_atom(Name) -> ["variable '", atom_to_list(Name), "' is unbound"];
reason(error, {case_clause, Value}, _) -> ["no case clause matching ", term(Value)];
reason(error, {try_clause, Value}, _) -> ["no try clause matching ", term(Value)];
reason(error, {else_clause, Value}, _) -> ["no else clause matching ", term(Value)];
reason(error, {badfun, Value}, _) -> ["bad function ", term(Value)];
reason(error, {badarity, {Fun, Given}}, _) when is_list(Given) -> [term(Fun), " called with arguments ", term(Given)];
reason(error, {badkey, Key}, _) -> ["bad key: ", term(Key)];
reason(error, {badmap, Value}, _) -> ["bad map: ", term(Value)];
reason(error, {bad_filter, Value}, _) -> ["bad filter ", term(Value)];
reason(error, {bad_generator, Value}, _) -> ["bad generator ", term(Value)];
reason(error, {badarg, Value}, _) -> ["bad argument: ", term(Value)];
reason(error, if_clause, _) -> "no true branch found when evaluating an if expression";
reason(error, timeout_value, _) -> "bad receive timeout value";
reason(error, system_limit, Function) -> ["a system limit has been reached", within(Function)];
reason(error, badarith, Function) -> ["an error occurred when evaluating an arithmetic expression", within(Function)];
reason(error, badarg, Function) -> ["bad argument", within(Function)];
reason(error, undef, {Module, Name, Given}) -> ["undefined function ", mfa(Module, Name, Given)];
reason(error, function_clause, {Module, Name, Given}) when is_list(Given) ->
    ["no function clause matching ", io_lib:format("~tw:~tw", [Module, Name]), arguments(Given)];
reason(error, function_clause, _) -> "no function clause matching";
reason(error, Reason, Function) -> [term(Reason), within(Function)].

within(none) -> "";
within({Module, Name, Given}) -> [" in ", mfa(Module, Name, Given)].

mfa(Module, Name, Given) when is_integer(Given) -> io_lib:format("~tw:~tw/~w", [Module, Name, Given]);
mfa(Module, Name, Given) ->
    case catch length(Given) of
        Arity when is_integer(Arity) -> mfa(Module, Name, Arity);
        _ -> io_lib:format("~tw:~tw", [Module, Name])
    end.

arguments(Given) ->
    case catch length(Given) of
        Arity when is_integer(Arity), Arity < 256 -> [$(, lists:join($,, [term(One) || One <- Given]), $)];
        _ -> ""
    end.
