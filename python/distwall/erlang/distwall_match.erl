%% Clauses, patterns, guards and operators for distwall_eval, which has the theory of operation: closed lists, nothing calls.
-module(distwall_match).

-export([clause/4, choose/2, match/4, both/2, segments/4, guards/2, is_guard/1, operator/2, operator/3, variable/2, string/1, unknown/1]).

-include("distwall_eval.hrl").

%% Bits of an integer that an operator computes.
-define(MAX_INTEGER, 16#10000).
%% The product of the lengths, in bits, of two integers that are multiplied in one step.
-define(SMALL, 16#10000).

-type bindings() :: #{atom() => term()}.

%% ---- clauses ----

%% The body of the first clause that the values fit, and the bindings in it. Outer: the variables that sizes and keys may name.
-spec clause(term(), [term()], bindings(), bindings()) -> {term(), bindings()} | nomatch.
clause([{clause, _, Patterns, Guards, Body} | Clauses], Values, Bs, Outer) ->
    distwall_budget:steps(1 + map_size(Outer) div 16),
    case patterns(Patterns, Values, {match, Bs}, Outer) of
        {match, Bound} ->
            case Guards =:= [] orelse guards(Guards, both(Outer, Bound)) of
                true -> {Body, Bound};
                false -> clause(Clauses, Values, Bs, Outer)
            end;
        nomatch ->
            clause(Clauses, Values, Bs, Outer)
    end;
clause([], _, _, _) ->
    nomatch;
clause(_, _, _, _) ->
    unknown("what is no clause").

%% All variables, the inner ones first. Takes the steps of it: it takes as long as there are variables in the smaller map.
-spec both(bindings(), bindings()) -> bindings().
both(Outer, Bs) ->
    distwall_budget:steps(min(map_size(Outer), map_size(Bs))),
    maps:merge(Outer, Bs).

choose([{clause, _, [], Guards, Body} | Clauses], Bs) ->
    case guards(Guards, Bs) of
        true -> Body;
        false -> choose(Clauses, Bs)
    end;
choose([], _) ->
    error(if_clause);
choose(_, _) ->
    unknown("what is no clause").

%% ---- patterns ----

patterns([Pattern | Patterns], [Value | Values], {match, Bs}, Outer) ->
    distwall_budget:step(),
    patterns(Patterns, Values, match(Pattern, Value, Bs, Outer), Outer);
patterns([], [], So, _) ->
    So;
patterns(_, _, nomatch, _) ->
    nomatch;
patterns(Patterns, _, _, _) ->
    is_list(Patterns) orelse unknown("what is no list of patterns"),
    nomatch.

match({var, _, '_'}, _, Bs, _) ->
    {match, Bs};
match({var, _, Name}, Value, Bs, _) when is_atom(Name) ->
    case Bs of
        #{Name := Bound} -> same(Bound, Value, Bs);
        _ -> {match, Bs#{Name => Value}}
    end;
match({match, _, One, Other}, Value, Bs, Outer) ->
    patterns([One, Other], [Value, Value], {match, Bs}, Outer);
match({Kind, _, V}, Value, Bs, _) when ?IS_LITERAL(Kind, V) ->
    same(V, Value, Bs);
match({string, _, Characters}, Value, Bs, _) ->
    same(string(Characters), Value, Bs);
match({nil, _}, Value, Bs, _) ->
    same([], Value, Bs);
match({cons, _, Head, Tail}, Value, Bs, Outer) ->
    case Value of
        [H | T] -> patterns([Head, Tail], [H, T], {match, Bs}, Outer);
        _ -> nomatch
    end;
match({tuple, _, Patterns}, Value, Bs, Outer) when is_list(Patterns) ->
    case is_tuple(Value) andalso tuple_size(Value) =:= length(Patterns) of
        true -> patterns(Patterns, tuple_to_list(Value), {match, Bs}, Outer);
        false -> nomatch
    end;
match({map, _, Fields}, Value, Bs, Outer) when is_list(Fields) ->
    case is_map(Value) of
        true -> fits(Fields, Value, {match, Bs}, Outer);
        false -> nomatch
    end;
match({bin, _, Segments}, Value, Bs, Outer) ->
    case segments(Segments, Value, Bs, Outer) of
        {match, Bound, <<>>} -> {match, Bound};
        _ -> nomatch
    end;
match({op, _, '++', {string, _, Characters}, Tail}, Value, Bs, Outer) ->
    case prefix(string(Characters), Value) of
        {rest, Rest} -> match(Tail, Rest, Bs, Outer);
        nomatch -> nomatch
    end;
match({op, _, _, _} = Constant, Value, Bs, Outer) ->
    same(guard(Constant, Outer), Value, Bs);
match({op, _, _, _, _} = Constant, Value, Bs, Outer) ->
    same(guard(Constant, Outer), Value, Bs);
match(Pattern, _, _, _) ->
    unknown(Pattern).

same(One, Other, Bs) ->
    case operator('=:=', One, Other) of
        true -> {match, Bs};
        false -> nomatch
    end.

prefix([One | Characters], [One | Rest]) -> prefix(Characters, Rest);
prefix([], Rest) -> {rest, Rest};
prefix(_, _) -> nomatch.

fits([{map_field_exact, _, Key, Pattern} | Fields], Map, {match, Bs}, Outer) ->
    distwall_budget:step(),
    K = guard(Key, both(Outer, Bs)),
    distwall_budget:weigh(K),
    case Map of
        #{K := Value} -> fits(Fields, Map, match(Pattern, Value, Bs, Outer), Outer);
        _ -> nomatch
    end;
fits([], _, So, _) ->
    So;
fits(_, _, nomatch, _) ->
    nomatch;
fits(_, _, _, _) ->
    unknown("a map").

segments(Segments, Bits, Bs, Outer) ->
    Match = fun(Pattern, Value, Bound) -> match(Pattern, Value, Bound, Outer) end,
    Size = fun(Form, Bound) -> guard(Form, both(Outer, Bound)) end,
    distwall_bits:match(Segments, Bits, Bs, {Match, Size}).

%% ---- guards ----

guards([], _) ->
    true;
guards(Guards, Bs) when is_list(Guards) ->
    lists:any(fun(Tests) -> is_list(Tests) andalso lists:all(fun(Test) -> holds(Test, Bs) end, Tests) end, Guards);
guards(_, _) ->
    unknown("a guard").

holds(Test, Bs) ->
    try
        guard(Test, Bs) =:= true
    catch
        error:_ -> false
    end.

%% The value of a guard expression: no form in it calls anything but a harmless function.
guard(Form, Bs) ->
    distwall_budget:step(),
    test(Form, Bs).

test({Kind, _, V}, _) when ?IS_LITERAL(Kind, V) -> V;
test({string, _, Characters}, _) -> string(Characters);
test({nil, _}, _) -> [];
test({var, _, Name}, Bs) when is_atom(Name) -> variable(Name, Bs);
test({value, _, Value}, _) -> Value;
test({cons, _, Head, Tail}, Bs) -> [guard(Head, Bs) | guard(Tail, Bs)];
test({tuple, _, Forms}, Bs) when is_list(Forms) -> list_to_tuple([guard(Form, Bs) || Form <- Forms]);
test({bin, _, Segments}, Bs) -> distwall_bits:make(Segments, fun(Form) -> guard(Form, Bs) end);
test({map, _, Fields}, Bs) -> test_fields(Fields, #{}, Bs);
test({map, _, Form, Fields}, Bs) -> test_fields(Fields, guard(Form, Bs), Bs);
test({op, _, 'andalso', Left, Right}, Bs) ->
    case guard(Left, Bs) of true -> guard(Right, Bs); false -> false end;
test({op, _, 'orelse', Left, Right}, Bs) ->
    case guard(Left, Bs) of false -> guard(Right, Bs); true -> true end;
test({op, _, Name, Operand}, Bs) -> operator(Name, guard(Operand, Bs));
test({op, _, Name, Left, Right}, Bs) -> operator(Name, guard(Left, Bs), guard(Right, Bs));
test({call, Where, {remote, _, {atom, _, erlang}, Name}, Arguments}, Bs) -> test({call, Where, Name, Arguments}, Bs);
test({call, _, {atom, _, Name}, Arguments}, Bs) when is_list(Arguments) ->
    distwall_calls:guard(Name, [guard(Form, Bs) || Form <- Arguments]);
test(Form, _) -> unknown(Form).

test_fields(Fields, Map, Bs) when is_map(Map), is_list(Fields) ->
    lists:foldl(fun({Kind, _, Key, Form}, So) when Kind =:= map_field_assoc; Kind =:= map_field_exact ->
                        K = guard(Key, Bs),
                        distwall_budget:weigh(K),
                        Kind =:= map_field_assoc orelse is_map_key(K, So) orelse error({badkey, K}),
                        So#{K => guard(Form, Bs)};
                   (_, _) -> unknown("a map")
                end, Map, Fields);
test_fields(_, Map, _) ->
    error({badmap, Map}).

%% True for a filter that is a guard: it counts as false where it fails.
is_guard({call, _, {remote, _, {atom, _, erlang}, {atom, _, Name}}, Arguments}) -> is_guard_call(Name, Arguments);
is_guard({call, _, {atom, _, Name}, Arguments}) -> is_guard_call(Name, Arguments);
is_guard({op, _, '!', _, _}) -> false;
is_guard({op, _, _, Operand}) -> is_guard(Operand);
is_guard({op, _, _, Left, Right}) -> is_guard(Left) andalso is_guard(Right);
is_guard({cons, _, Head, Tail}) -> is_guard(Head) andalso is_guard(Tail);
is_guard({tuple, _, Forms}) when is_list(Forms) -> lists:all(fun is_guard/1, Forms);
is_guard(Form) when is_tuple(Form), tuple_size(Form) > 0 ->
    lists:member(element(1, Form), [var, atom, integer, float, char, string, nil]);
is_guard(_) -> false.

is_guard_call(Name, Arguments) ->
    is_list(Arguments) andalso distwall_calls:is_guard(Name, length(Arguments)) andalso lists:all(fun is_guard/1, Arguments).

%% ---- operators ----

operator('+', V) -> +V;
operator('-', V) -> -V;
operator('bnot', V) -> bnot V;
operator('not', V) -> not V;
operator(Name, _) -> no_operator(Name, 1).

operator('+', L, R) -> small(L + R);
operator('-', L, R) -> small(L - R);
operator('*', L, R) -> fit(bits(L) + bits(R)), product(L, R), L * R;
operator('/', L, R) -> product(L, R), L / R;
operator('div', L, R) -> product(L, R), L div R;
operator('rem', L, R) -> product(L, R), L rem R;
operator('band', L, R) -> L band R;
operator('bor', L, R) -> L bor R;
operator('bxor', L, R) -> L bxor R;
operator('bsl', L, R) when is_integer(R), R > 0 -> fit(bits(L) + R), L bsl R;
operator('bsl', L, R) -> L bsl R;
operator('bsr', L, R) when is_integer(R), R < 0 -> fit(bits(L) - R), L bsr R;
operator('bsr', L, R) -> L bsr R;
operator('and', L, R) -> L and R;
operator('or', L, R) -> L or R;
operator('xor', L, R) -> L xor R;
operator('==', L, R) -> comparable(L, R), L == R;
operator('/=', L, R) -> comparable(L, R), L /= R;
operator('=:=', L, R) -> comparable(L, R), L =:= R;
operator('=/=', L, R) -> comparable(L, R), L =/= R;
operator('<', L, R) -> comparable(L, R), L < R;
operator('>', L, R) -> comparable(L, R), L > R;
operator('=<', L, R) -> comparable(L, R), L =< R;
operator('>=', L, R) -> comparable(L, R), L >= R;
operator('++', L, R) -> is_list(L) andalso distwall_budget:steps(length(L)), L ++ R;
operator('--', L, R) -> distwall_budget:weigh(L), distwall_budget:weigh(R), L -- R;
operator(Name, _, _) -> no_operator(Name, 2).

-spec no_operator(term(), 1 | 2) -> no_return().
no_operator(Name, Arity) ->
    distwall_budget:refuse(["the operator ", distwall_text:term(Name), $/, integer_to_list(Arity)], "the language has none of that name").

%% A comparison takes no longer than a walk over the lighter of its terms.
comparable(L, R) when is_tuple(L), is_tuple(R), tuple_size(L) =/= tuple_size(R) -> ok;
comparable(L, _) when is_atom(L); is_integer(L); is_pid(L); is_reference(L); L =:= [] -> ok;
comparable(_, R) when is_atom(R); is_integer(R); is_pid(R); is_reference(R); R =:= [] -> ok;
comparable(L, _) -> distwall_budget:weigh(L).

bits(V) when is_integer(V) -> 8 * erlang:external_size(V);
bits(_) -> 0.

%% Takes the steps of a product or a quotient: it takes as long as the product of the lengths.
product(L, R) ->
    case bits(L) * bits(R) of
        Small when Small < ?SMALL -> ok;
        Large -> distwall_budget:steps(Large div ?SMALL)
    end.

fit(Bits) -> Bits =< ?MAX_INTEGER orelse error(system_limit).

small(V) -> fit(bits(V)), V.

%% ---- values ----

variable(Name, Bs) ->
    case Bs of
        #{Name := Value} -> Value;
        _ -> error({unbound, Name})
    end.

string(Characters) ->
    distwall_budget:weigh(Characters),
    is_list(Characters) andalso lists:all(fun(One) -> is_integer(One) end, Characters) orelse unknown("a string of what is no character"),
    Characters.

%% ---- refusals ----

-spec unknown(term()) -> no_return().
unknown(Form) when is_tuple(Form), tuple_size(Form) > 0, is_atom(element(1, Form)) ->
    unknown(["the syntax ", distwall_text:term(element(1, Form))]);
unknown(Text) when is_list(Text) ->
    distwall_budget:refuse(Text, "distwall does not evaluate it");
unknown(_) ->
    unknown("what is no syntax").
