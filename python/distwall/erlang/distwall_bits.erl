%% Bit syntax for distwall_eval: binaries are made and matched segment by segment, in bounded sizes.
%%
%% Theory of operation. A segment is {bin_element, _, Value, Size, Types}. Only the types of the language are known: integer, float,
%% binary (bytes), bitstring (bits), utf8, utf16, utf32, with their signs, orders of bytes and units. Sizes are computed by
%% the caller's functions, and looked at before anything of that size is made. No segment runs code.
-module(distwall_bits).

-export([make/2, join/1, match/4]).

%% Bits of a whole binary, and of one integer.
-define(MAX_BITS, 16#8000000).
-define(MAX_INTEGER, 16#10000).

-type segment() :: term().
-type value() :: fun((term()) -> term()).

%% ---- making ----

%% Makes a binary. Value computes the value of a form.
-spec make([segment()], value()) -> bitstring().
make(Segments, Value) ->
    make(Segments, Value, {[], 0}).

make([], _, {Pieces, _}) ->
    join(Pieces);
make([{bin_element, _, Form, Size, Types} | Rest], Value, Made) ->
    Type = type(Types, Size),
    Values = case Form of
        {string, _, Characters} -> distwall_match:string(Characters);
        _ -> [Value(Form)]
    end,
    make(Rest, Value, lists:foldl(fun(One, So) -> piece(One, Size, Type, Value, So) end, Made, Values));
make(_, _, _) ->
    unknown().

%% Joins pieces, the last one first. The VM does not count a binary as the process's while it grows piece by piece.
-spec join([bitstring()]) -> bitstring().
join(Pieces) ->
    Bits = lists:sum([bit_size(Piece) || Piece <- Pieces]),
    Bits =< ?MAX_BITS orelse too_large(),
    distwall_budget:binary(Bits),
    list_to_bitstring(lists:reverse(Pieces)).

%% Makes a piece, and puts it before the others, if there is room for its bits.
piece(V, Size, {Type, _, Order, Unit}, Value, {Pieces, Before}) ->
    Bits = width(V, Size, Type, Unit, Value),
    Before + Bits =< ?MAX_BITS orelse too_large(),
    distwall_budget:binary(Bits),
    Piece = case Type of
        integer -> integer(V, Bits, Order);
        float -> float(V, Bits, Order);
        bitstring -> part(V, Bits);
        utf8 -> <<V/utf8>>;
        utf16 when Order =:= little -> <<V/utf16-little>>;
        utf16 -> <<V/utf16>>;
        utf32 when Order =:= little -> <<V/utf32-little>>;
        utf32 -> <<V/utf32>>
    end,
    {[Piece | Pieces], Before + Bits}.

%% The number of bits that a piece has, or has at most.
width(V, Size, Type, Unit, Value) ->
    case Type of
        integer -> bits(Size, 8, Unit, Value);
        float -> bits(Size, 64, Unit, Value);
        bitstring when Size =:= default, bit_size(V) rem Unit =:= 0 -> bit_size(V);
        bitstring when Size =/= default -> bits(Size, 0, Unit, Value);
        _ when Type =:= utf8; Type =:= utf16; Type =:= utf32 -> 32;
        _ -> error(badarg)
    end.

integer(V, Bits, little) -> <<V:Bits/little>>;
integer(V, Bits, big) -> <<V:Bits>>.

float(V, Bits, little) -> <<V:Bits/float-little>>;
float(V, Bits, big) -> <<V:Bits/float>>.

part(V, Bits) ->
    case V of
        <<Part:Bits/bitstring, _/bitstring>> -> Part;
        _ -> error(badarg)
    end.

%% ---- matching ----

%% Matches segments at the start of a bitstring. Match is the matching of one value: fun(Pattern, Value, State) -> {match, State} |
%% nomatch. Value computes a size: fun(Form, State). Returns the bits that are left, also where values don't match.
-spec match([segment()], term(), State, {Match, Value}) -> {match, State, bitstring()} | {nomatch, bitstring()} | short when
      Match :: fun((term(), term(), State) -> {match, State} | nomatch), Value :: fun((term(), State) -> term()).
match(Segments, Bits, State, How) when is_bitstring(Bits) ->
    match(Segments, Bits, State, How, match);
match(_, _, _, _) ->
    short.

match([], Bits, State, _, match) ->
    {match, State, Bits};
match([], Bits, _, _, nomatch) ->
    {nomatch, Bits};
match([{bin_element, Where, {string, _, Characters}, Size, Types} | Rest], Bits, State, How, So) ->
    Each = [{bin_element, Where, {integer, Where, One}, Size, Types} || One <- distwall_match:string(Characters)],
    match(Each ++ Rest, Bits, State, How, So);
match([{bin_element, _, Pattern, Size, Types} | Rest], Bits, State, {Match, Value} = How, So) ->
    distwall_budget:step(),
    case taken(Bits, Size, type(Types, Size), fun(Form) -> Value(Form, State) end) of
        {V, Left} ->
            case So =:= match andalso Match(Pattern, V, State) of
                {match, Bound} -> match(Rest, Left, Bound, How, match);
                _ -> match(Rest, Left, State, How, nomatch)
            end;
        short ->
            short
    end;
match(_, _, _, _, _) ->
    unknown().

%% The first value of a bitstring, and the rest.
taken(Bits, Size, {Type, Sign, Order, Unit}, Value) ->
    case Type of
        integer -> integer_of(Bits, bits(Size, 8, Unit, Value), Sign, Order);
        float -> float_of(Bits, bits(Size, 64, Unit, Value), Order);
        bitstring when Size =:= default, bit_size(Bits) rem Unit =:= 0 -> {Bits, <<>>};
        bitstring when Size =:= default -> short;
        bitstring -> bits_of(Bits, bits(Size, 0, Unit, Value));
        _ -> character_of(Bits, Type, Order)
    end.

integer_of(_, Count, _, _) when Count > ?MAX_INTEGER -> distwall_budget:refuse("an integer in a binary", "it is too large");
integer_of(Bits, Count, Sign, Order) when Count =< bit_size(Bits) ->
    case {Sign, Order} of
        {unsigned, big} -> <<V:Count, Rest/bitstring>> = Bits, {V, Rest};
        {unsigned, little} -> <<V:Count/little, Rest/bitstring>> = Bits, {V, Rest};
        {signed, big} -> <<V:Count/signed, Rest/bitstring>> = Bits, {V, Rest};
        {signed, little} -> <<V:Count/signed-little, Rest/bitstring>> = Bits, {V, Rest}
    end;
integer_of(_, _, _, _) -> short.

float_of(Bits, Count, Order) ->
    case {Bits, Order} of
        {<<V:Count/float, Rest/bitstring>>, big} -> {V, Rest};
        {<<V:Count/float-little, Rest/bitstring>>, little} -> {V, Rest};
        _ -> short
    end.

bits_of(Bits, Count) when Count =< bit_size(Bits) ->
    <<V:Count/bitstring, Rest/bitstring>> = Bits,
    {V, Rest};
bits_of(_, _) -> short.

character_of(Bits, Type, Order) ->
    case {Bits, Type, Order} of
        {<<V/utf8, Rest/bitstring>>, utf8, _} -> {V, Rest};
        {<<V/utf16, Rest/bitstring>>, utf16, big} -> {V, Rest};
        {<<V/utf16-little, Rest/bitstring>>, utf16, little} -> {V, Rest};
        {<<V/utf32, Rest/bitstring>>, utf32, big} -> {V, Rest};
        {<<V/utf32-little, Rest/bitstring>>, utf32, little} -> {V, Rest};
        _ -> short
    end.

%% ---- types and sizes ----

bits(default, Default, _, _) ->
    Default;
bits(Size, _, Unit, Value) ->
    case Value(Size) of
        Count when is_integer(Count), Count >= 0, Count * Unit =< ?MAX_BITS -> Count * Unit;
        Count when is_integer(Count), Count >= 0 -> too_large();
        _ -> error(badarg)
    end.

%% {Type, Sign, Order, Unit}
type(default, Size) ->
    type([], Size);
type(Types, Size) when is_list(Types) ->
    Given = lists:foldl(fun told/2, #{type => integer, sign => unsigned, order => big}, Types),
    #{type := Type, sign := Sign, order := Order} = Given,
    case Type of
        _ when Size =/= default, Type =:= utf8 orelse Type =:= utf16 orelse Type =:= utf32 -> unknown();
        binary -> {bitstring, Sign, Order, maps:get(unit, Given, 8)};
        _ -> {Type, Sign, Order, maps:get(unit, Given, 1)}
    end;
type(_, _) ->
    unknown().

told({unit, Unit}, Given) when is_integer(Unit), Unit > 0, Unit =< 256 -> Given#{unit => Unit};
told(bytes, Given) -> Given#{type := binary};
told(bits, Given) -> Given#{type := bitstring};
told(native, Given) -> Given#{order := native()};
told(Order, Given) when Order =:= big; Order =:= little -> Given#{order := Order};
told(Sign, Given) when Sign =:= signed; Sign =:= unsigned -> Given#{sign := Sign};
told(Type, Given) when Type =:= integer; Type =:= float; Type =:= binary; Type =:= bitstring;
                       Type =:= utf8; Type =:= utf16; Type =:= utf32 -> Given#{type := Type};
told(_, _) -> unknown().

native() ->
    case <<1:16/native>> of
        <<1:16/big>> -> big;
        _ -> little
    end.

-spec too_large() -> no_return().
too_large() ->
    distwall_budget:refuse("a binary", "it is too large").

-spec unknown() -> no_return().
unknown() ->
    distwall_budget:refuse("a segment of a binary", "it has a form that distwall does not know").
