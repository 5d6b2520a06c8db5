%% The evaluator of what peers write: lines typed in their shells, and funs of their shells. Works on OTP 25 to 29.
%%
%% Theory of operation. The syntax tree is abstract code: erl_parse made it from a line, or the peer sent it within a fun of
%% erl_eval. It may be any term. This module interprets it by itself. A form is known here, or it is refused: there are closed
%% lists of expressions, patterns, guards and operators. Annotations are never looked at. A literal is checked to
%% be of its kind, so that no fun hides in it.
%%
%% Every call of a function goes to distwall_calls, which has a closed list of harmless functions, and asks distwall about all
%% others. That holds for names made at run time, for apply, and for values that turn out to be funs. Guards call nothing
%% but the guard functions of the language, which are harmless.
%%
%% Code of a peer only runs in processes that distwall_budget has bounded. Terms are weighed before they are compared or used
%% as keys, since a small term can take ages to compare. Integers are kept small enough to compute with.
%%
%% Exceptions carry no stack that code could see or choose. A refusal is an exit that the forms here never catch.
%%
%% A context is {Peer, Local}: whose code it is, and the commands of its shell (a fun, which computes their values), or none.
-module(distwall_eval).

-export([expressions/3, run/3]).

-export_type([context/0, closure/0]).

-include("distwall_eval.hrl").

-type context() :: {node(), none | fun((atom(), [term()]) -> {value, term()} | none)}.
-type closure() :: #closure{}.
-type bindings() :: #{atom() => term()}.

%% Evaluates expressions. Returns the value of the last one, and the bindings after it.
-spec expressions([term()], bindings(), context()) -> {term(), bindings()}.
expressions([Last], Bs, C) ->
    expression(Last, Bs, C);
expressions([Form | Forms], Bs, C) ->
    {_, Bound} = expression(Form, Bs, C),
    expressions(Forms, Bound, C);
expressions(_, _, _) ->
    distwall_match:unknown("what is no list of expressions").

%% Runs a fun of a peer, as code of that peer.
-spec run(node(), closure(), [term()]) -> term().
run(Peer, #closure{peer = Peer, clauses = Clauses, bindings = Bs, name = Name} = Closure, Arguments) ->
    Outer = case Name of
        none -> Bs;
        _ -> Bs#{Name => distwall_calls:wrap(Closure)}
    end,
    %% The variables of its head are new ones.
    case distwall_match:clause(Clauses, Arguments, #{}, Outer) of
        {Body, Bound} -> body(Body, distwall_match:both(Outer, Bound), {Peer, none});
        nomatch -> error(function_clause)
    end.

%% The value of a list of expressions whose bindings nobody needs: the last one is a tail call.
body([Last], Bs, C) ->
    last(Last, Bs, C);
body([Form | Forms], Bs, C) ->
    {_, Bound} = expression(Form, Bs, C),
    body(Forms, Bound, C);
body(_, _, _) ->
    distwall_match:unknown("what is no list of expressions").

last({block, _, Forms}, Bs, C) ->
    distwall_budget:step(),
    body(Forms, Bs, C);
last({'case', _, Form, Clauses}, Bs, C) ->
    {Chosen, Bound} = cases(Form, Clauses, Bs, C),
    body(Chosen, Bound, C);
last({'if', _, Clauses}, Bs, C) ->
    body(distwall_match:choose(Clauses, Bs), Bs, C);
last({'receive', _, Clauses}, Bs, C) ->
    {Chosen, Bound} = receives(Clauses, infinity, [], Bs, C),
    body(Chosen, Bound, C);
last({'receive', _, Clauses, Time, After}, Bs, C) ->
    {Timeout, Timed} = expression(Time, Bs, C),
    {Chosen, Bound} = receives(Clauses, Timeout, After, Timed, C),
    body(Chosen, Bound, C);
last({call, _, Function, Arguments}, Bs, C) ->
    {Action, _} = called(Function, Arguments, Bs, C),
    distwall_calls:perform(Action);
last(Form, Bs, C) ->
    {Value, _} = expression(Form, Bs, C),
    Value.

%% ---- expressions ----

expression(Form, Bs, C) ->
    distwall_budget:step(),
    form(Form, Bs, C).

form({Kind, _, V}, Bs, _) when ?IS_LITERAL(Kind, V) ->
    {V, Bs};
form({string, _, Characters}, Bs, _) ->
    {distwall_match:string(Characters), Bs};
form({nil, _}, Bs, _) ->
    {[], Bs};
form({var, _, Name}, Bs, _) when is_atom(Name) ->
    {distwall_match:variable(Name, Bs), Bs};
form({cons, _, Head, Tail}, Bs, C) ->
    {H, Bs1} = expression(Head, Bs, C),
    {T, Bs2} = expression(Tail, Bs1, C),
    {[H | T], Bs2};
form({tuple, _, Forms}, Bs, C) ->
    {Values, Bound} = values(Forms, Bs, C),
    {list_to_tuple(Values), Bound};
form({map, _, Fields}, Bs, C) ->
    fields(Fields, #{}, Bs, C);
form({map, _, Form, Fields}, Bs, C) ->
    case expression(Form, Bs, C) of
        {Map, Bound} when is_map(Map) -> fields(Fields, Map, Bound, C);
        {Other, _} -> error({badmap, Other})
    end;
form({bin, _, Segments}, Bs, C) ->
    {distwall_bits:make(Segments, fun(Form) -> {V, _} = expression(Form, Bs, C), V end), Bs};
form({block, _, Forms}, Bs, C) ->
    expressions(Forms, Bs, C);
form({match, _, Pattern, Form}, Bs, C) ->
    {Value, Bound} = expression(Form, Bs, C),
    {Value, matched(Pattern, Value, Bound)};
form({op, _, '!', To, Message}, Bs, C) ->
    {Values, Bound} = values([To, Message], Bs, C),
    {distwall_calls:call({erlang, '!'}, Values, C), Bound};
form({op, _, Name, Left, Right}, Bs, C) when Name =:= 'andalso'; Name =:= 'orelse' ->
    case expression(Left, Bs, C) of
        {true, Bound} when Name =:= 'andalso' -> {last(Right, Bound, C), Bound};
        {false, Bound} when Name =:= 'orelse' -> {last(Right, Bound, C), Bound};
        {Value, Bound} when is_boolean(Value) -> {Value, Bound};
        {Other, _} -> error({badarg, Other})
    end;
form({op, _, Name, Operand}, Bs, C) ->
    {Value, Bound} = expression(Operand, Bs, C),
    {distwall_match:operator(Name, Value), Bound};
form({op, _, Name, Left, Right}, Bs, C) ->
    {[L, R], Bound} = values([Left, Right], Bs, C),
    {distwall_match:operator(Name, L, R), Bound};
form({call, _, Function, Arguments}, Bs, C) ->
    {Action, Bound} = called(Function, Arguments, Bs, C),
    {distwall_calls:perform(Action), Bound};
form({'fun', _, {clauses, Clauses}}, Bs, C) ->
    {closure(Clauses, none, Bs, C), Bs};
form({named_fun, _, Name, Clauses}, Bs, C) when is_atom(Name), Name =/= none ->
    {closure(Clauses, Name, Bs, C), Bs};
form({'fun', _, {function, Name, Arity}}, Bs, C) when is_atom(Name), is_integer(Arity) ->
    {distwall_calls:export({erlang, built_in(Name, Arity)}, Arity, C), Bs};
form({'fun', _, {function, Module, Name, Arity}}, Bs, C) ->
    %% OTP writes atoms here where they are known.
    Plain = fun(Part) when is_atom(Part); is_integer(Part) -> {Part, Bs}; (Form) -> expression(Form, Bs, C) end,
    [{M, _}, {N, _}, {A, _}] = [Plain(Part) || Part <- [Module, Name, Arity]],
    {distwall_calls:export({M, N}, A, C), Bs};
form({'case', _, Form, Clauses}, Bs, C) ->
    {Chosen, Bound} = cases(Form, Clauses, Bs, C),
    expressions(Chosen, Bound, C);
form({'if', _, Clauses}, Bs, C) ->
    expressions(distwall_match:choose(Clauses, Bs), Bs, C);
form({'receive', _, Clauses}, Bs, C) ->
    {Chosen, Bound} = receives(Clauses, infinity, [], Bs, C),
    expressions(Chosen, Bound, C);
form({'receive', _, Clauses, Time, After}, Bs, C) ->
    {Timeout, Timed} = expression(Time, Bs, C),
    {Chosen, Bound} = receives(Clauses, Timeout, After, Timed, C),
    expressions(Chosen, Bound, C);
form({'catch', _, Form}, Bs, C) ->
    try
        expression(Form, Bs, C)
    catch
        throw:Thrown -> {Thrown, Bs};
        exit:Reason -> distwall_budget:is_refusal(Reason) andalso exit(Reason), {{'EXIT', Reason}, Bs};
        error:Reason -> {{'EXIT', {Reason, []}}, Bs}
    end;
form({'try', _, Forms, Clauses, Catching, After}, Bs, C) ->
    {tried(Forms, Clauses, Catching, After, Bs, C), Bs};
form({'maybe', _, Forms}, Bs, C) ->
    {_, Value} = attempt(Forms, Bs, C),
    {Value, Bs};
form({'maybe', _, Forms, {'else', _, Clauses}}, Bs, C) ->
    case attempt(Forms, Bs, C) of
        {done, Value} -> {Value, Bs};
        {failed, Value} -> {else_body(distwall_match:clause(Clauses, [Value], Bs, Bs), Value, C), Bs}
    end;
form({lc, _, Form, Qualifiers}, Bs, C) ->
    Add = fun(Bound, Made) -> [last(Form, Bound, C) | Made] end,
    {lists:reverse(qualified(Qualifiers, Bs, C, Add, [])), Bs};
form({bc, _, Form, Qualifiers}, Bs, C) ->
    Add = fun(Bound, Made) -> [last(Form, Bound, C) | Made] end,
    {distwall_bits:join(qualified(Qualifiers, Bs, C, Add, [])), Bs};
form({mc, _, {map_field_assoc, _, _, _} = Field, Qualifiers}, Bs, C) ->
    Add = fun(Bound, Made) -> {Map, _} = fields([Field], Made, Bound, C), Map end,
    {qualified(Qualifiers, Bs, C, Add, #{}), Bs};
form({value, _, Value}, Bs, _) ->
    %% A shell puts the results of its lines into funs like this. Funs in it are judged as any others are.
    {Value, Bs};
form(Form, _, _) ->
    distwall_match:unknown(Form).

values([Form | Forms], Bs, C) ->
    {Value, Bs1} = expression(Form, Bs, C),
    {Values, Bs2} = values(Forms, Bs1, C),
    {[Value | Values], Bs2};
values([], Bs, _) ->
    {[], Bs};
values(_, _, _) ->
    distwall_match:unknown("what is no list of expressions").

matched(Pattern, Value, Bs) ->
    case distwall_match:match(Pattern, Value, Bs, Bs) of
        {match, Bound} -> Bound;
        nomatch -> error({badmatch, Value})
    end.

fields([{Kind, _, Key, Form} | Fields], Map, Bs, C) when Kind =:= map_field_assoc; Kind =:= map_field_exact ->
    {[K, V], Bound} = values([Key, Form], Bs, C),
    distwall_budget:weigh(K),
    Kind =:= map_field_assoc orelse is_map_key(K, Map) orelse error({badkey, K}),
    fields(Fields, Map#{K => V}, Bound, C);
fields([], Map, Bs, _) ->
    {Map, Bs};
fields(_, _, _, _) ->
    distwall_match:unknown("a map").

closure(Clauses, Name, Bs, {Peer, _}) ->
    Names = variables([Clauses], 0, #{}),
    distwall_calls:wrap(#closure{peer = Peer, clauses = Clauses, bindings = maps:with(Names, Bs), name = Name}).

variables([], Seen, Names) ->
    distwall_budget:steps(Seen),
    maps:keys(Names);
variables([{var, _, Name} | Rest], Seen, Names) when is_atom(Name) ->
    variables(Rest, Seen + 1, Names#{Name => true});
variables([[Form | Forms] | Rest], Seen, Names) ->
    variables([Form, Forms | Rest], Seen + 1, Names);
variables([Form | Rest], Seen, Names) when is_tuple(Form), tuple_size(Form) < 8 ->
    variables(tuple_to_list(Form) ++ Rest, Seen + 1, Names);
variables([_ | Rest], Seen, Names) ->
    variables(Rest, Seen + 1, Names).

called({remote, _, Module, Name}, Arguments, Bs, C) ->
    {[M, N | Values], Bound} = values([Module, Name | list(Arguments)], Bs, C),
    {distwall_calls:judge({M, N}, Values, C), Bound};
called({atom, _, Name}, Arguments, Bs, {_, Local} = C) when is_atom(Name) ->
    {Values, Bound} = values(Arguments, Bs, C),
    case Local =/= none andalso Local(Name, Values) of
        {value, Value} -> {{value, Value}, Bound};
        _ -> {distwall_calls:judge({erlang, built_in(Name, length(Values))}, Values, C), Bound}
    end;
called(Function, Arguments, Bs, C) ->
    {[Fun | Values], Bound} = values([Function | list(Arguments)], Bs, C),
    {distwall_calls:judge(Fun, Values, C), Bound}.

list(Forms) when is_list(Forms) -> Forms;
list(_) -> distwall_match:unknown("what is no list of expressions").

%% A function that may be called without its module.
built_in(Name, Arity) ->
    erl_internal:bif(Name, Arity)
        orelse distwall_budget:refuse(io_lib:format("~tw/~w", [Name, Arity]), "it is no function of the language, and no command"),
    Name.

%% ---- clauses ----

cases(Form, Clauses, Bs, C) ->
    {Value, Bound} = expression(Form, Bs, C),
    case distwall_match:clause(Clauses, [Value], Bound, Bound) of
        nomatch -> error({case_clause, Value});
        Chosen -> Chosen
    end.

%% Selects a message. The VM calls the fun amid a receive, where another receive or an exception would do harm.
receives(_, _, _, _, {_, Local}) when Local =/= none ->
    distwall_budget:refuse("receive", "a shell receives no messages");
receives(Clauses, Timeout, After, Bs, _) ->
    Timeout =:= infinity orelse is_integer(Timeout) andalso Timeout >= 0 andalso Timeout < 1 bsl 32 orelse error(timeout_value),
    Select = fun(Message) ->
        try distwall_match:clause(Clauses, [Message], Bs, Bs) catch Class:Reason -> {failed, Class, Reason} end
    end,
    case prim_eval:'receive'(Select, Timeout) of
        timeout -> {After, Bs};
        {failed, Class, Reason} -> erlang:raise(Class, Reason, []);
        Chosen -> Chosen
    end.

tried(Forms, Clauses, Catching, After, Bs, C) ->
    try expressions(Forms, Bs, C) of
        {Value, _} when Clauses =:= [] -> Value;
        {Value, Bound} ->
            case distwall_match:clause(Clauses, [Value], Bound, Bound) of
                {Chosen, Inner} -> body(Chosen, Inner, C);
                nomatch -> error({try_clause, Value})
            end
    catch
        Class:Reason ->
            distwall_budget:is_refusal(Reason) andalso exit(Reason),
            case distwall_match:clause(Catching, [{Class, Reason, []}], Bs, Bs) of
                {Chosen, Inner} -> body(Chosen, Inner, C);
                nomatch -> erlang:raise(Class, Reason, [])
            end
    after
        After =:= [] orelse body(After, Bs, C)
    end.

attempt([{maybe_match, _, Pattern, Form} | Forms], Bs, C) ->
    {Value, Bound} = expression(Form, Bs, C),
    case distwall_match:match(Pattern, Value, Bound, Bound) of
        {match, _} when Forms =:= [] -> {done, Value};
        {match, Matched} -> attempt(Forms, Matched, C);
        nomatch -> {failed, Value}
    end;
attempt([Form], Bs, C) ->
    {Value, _} = expression(Form, Bs, C),
    {done, Value};
attempt([Form | Forms], Bs, C) ->
    {_, Bound} = expression(Form, Bs, C),
    attempt(Forms, Bound, C);
attempt(_, _, _) ->
    distwall_match:unknown("what is no list of expressions").

else_body({Body, Bound}, _, C) -> body(Body, Bound, C);
else_body(nomatch, Value, _) -> error({else_clause, Value}).

%% ---- comprehensions ----

qualified([], Bs, _, Add, Made) ->
    Add(Bs, Made);
qualified([{Kind, _, Pattern, Form} | Rest], Bs, C, Add, Made) when Kind =:= generate; Kind =:= generate_strict ->
    {List, _} = expression(Form, Bs, C),
    listed(List, Pattern, Kind =:= generate_strict, Bs, fun(Bound, So) -> qualified(Rest, Bound, C, Add, So) end, Made);
qualified([{Kind, _, {map_field_exact, _, Key, Value}, Form} | Rest], Bs, C, Add, Made)
  when Kind =:= m_generate; Kind =:= m_generate_strict ->
    case expression(Form, Bs, C) of
        {Map, _} when is_map(Map) ->
            Go = fun(Bound, So) -> qualified(Rest, Bound, C, Add, So) end,
            distwall_budget:steps(map_size(Map)),
            listed(maps:to_list(Map), {tuple, 0, [Key, Value]}, Kind =:= m_generate_strict, Bs, Go, Made);
        {Other, _} ->
            error({bad_generator, Other})
    end;
qualified([{Kind, _, {bin, _, Segments}, Form} | Rest], Bs, C, Add, Made) when Kind =:= b_generate; Kind =:= b_generate_strict ->
    case expression(Form, Bs, C) of
        {Bits, _} when is_bitstring(Bits) ->
            Go = fun(Bound, So) -> qualified(Rest, Bound, C, Add, So) end,
            cut(Bits, Segments, Kind =:= b_generate_strict, Bs, Go, Made);
        {Other, _} ->
            error({bad_generator, Other})
    end;
qualified([Filter | Rest], Bs, C, Add, Made) ->
    Test = case distwall_match:is_guard(Filter) of
        true -> distwall_match:guards([[Filter]], Bs);
        false -> last(Filter, Bs, C)
    end,
    case Test of
        true -> qualified(Rest, Bs, C, Add, Made);
        false -> Made;
        Other -> error({bad_filter, Other})
    end;
qualified(_, _, _, _, _) ->
    distwall_match:unknown("a comprehension").

listed([Value | Values], Pattern, Strict, Bs, Go, Made) ->
    distwall_budget:step(),
    case distwall_match:match(Pattern, Value, #{}, Bs) of
        {match, Bound} -> listed(Values, Pattern, Strict, Bs, Go, Go(distwall_match:both(Bs, Bound), Made));
        nomatch when Strict -> error({badmatch, Value});
        nomatch -> listed(Values, Pattern, Strict, Bs, Go, Made)
    end;
listed([], _, _, _, _, Made) ->
    Made;
listed(Tail, _, _, _, _, _) ->
    error({bad_generator, Tail}).

cut(Bits, Segments, Strict, Bs, Go, Made) ->
    distwall_budget:step(),
    case distwall_match:segments(Segments, Bits, #{}, Bs) of
        %% A pattern without bits would fit for ever.
        {_, Left} when Left =:= Bits -> Made;
        {match, _, Left} when Left =:= Bits -> Made;
        {match, Bound, Left} -> cut(Left, Segments, Strict, Bs, Go, Go(distwall_match:both(Bs, Bound), Made));
        {nomatch, _} when Strict -> error({badmatch, Bits});
        {nomatch, Left} -> cut(Left, Segments, Strict, Bs, Go, Made);
        short when Strict, Bits =/= <<>> -> error({badmatch, Bits});
        short -> Made
    end.
