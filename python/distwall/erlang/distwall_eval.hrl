%% A fun of a peer: whose it is, its clauses, the values of its variables, and its own name or none.
-record(closure, {peer :: node(), clauses :: term(), bindings :: #{atom() => term()}, name :: atom()}).

%% True for a literal whose value is of its kind.
-define(IS_LITERAL(Kind, V), (Kind =:= atom andalso is_atom(V) orelse Kind =:= integer andalso is_integer(V)
                              orelse Kind =:= float andalso is_float(V) orelse Kind =:= char andalso is_integer(V))).
