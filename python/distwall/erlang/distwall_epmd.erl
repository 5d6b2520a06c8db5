%% The -epmd_module of a guarded node: it registers with distwall, listens on loopback only, and reaches other nodes
%% through distwall only. Works on OTP 25 to 29. `distwall exec` gives a program the flags for it:
%%
%%   -epmd_module distwall_epmd -pa DIR -start_epmd false
%%   -distwall_register PORT     the EPMD that distwall serves on loopback for guarded nodes
%%   -distwall_peer_epmd PORT    the port of EPMD on other hosts
%%   -distwall_tls true|false    true if distwall speaks TLS with guarded nodes
%%   -pa BOOT -distwall_boot BOOT    has this module loaded early, see boot/heart.erl
%%
%% If a check fails or is not possible, the module returns an error: the node then does not become distributed.
-module(distwall_epmd).

-export([start_link/0, register_node/2, register_node/3, listen_port_please/2]).
-export([address_please/3, port_please/2, port_please/3, names/0, names/1]).

%% Milliseconds for a lookup. Each connection makes two lookups, and has 7 seconds in all.
-define(CONNECT_TIMEOUT, 1000).
-define(ANSWER_TIMEOUT, 1500).

%% Most bytes of an answer from another host's EPMD.
-define(MAX_NAMES, 1 bsl 20).

-define(PORT2_REQ, 122).
-define(PORT2_RESP, 119).
-define(NAMES_REQ, 110).
-define(DIST_VERSION, 6).

%% ---- callbacks of net_kernel and the carriers ----

%% Called before the node listens. OTP 25 reads its listen options right after this, before listen_port_please/2.
start_link() ->
    try
        check_otp(),
        Family = family(),
        check_flags(),
        check_tls(),
        bind_to_loopback(Family),
        leave_boot_folder(),
        erl_epmd:start_link()
    catch
        throw:{refused, Format, Args} -> refuse(Format, Args)
    end.

register_node(Name, Port) ->
    register_node(Name, Port, inet).

%% Normalizes the address family: OTP 25 passes inet_tcp or inet6_tcp, newer releases inet or inet6.
register_node(Name, Port, Driver) ->
    Family = case Driver of
        inet_tcp -> inet;
        inet6_tcp -> inet6;
        _ -> Driver
    end,
    case [Address || Address <- listening_at(Port), not is_loopback(Address)] of
        [] ->
            case erl_epmd:register_node(Name, Port, Family) of
                {ok, Creation} when Creation >= 0 ->
                    {ok, Creation};
                Error ->
                    refuse("can't register ~ts with distwall at ~ts: ~tp; is it running, and the name free?",
                           [to_list(Name), print(loopback(Family), register_port()), Error])
            end;
        Others ->
            refuse("the node would listen on ~ts, past distwall; remove what overrides inet_dist_use_interface",
                   [lists:join(", ", [print(Address, Port) || Address <- Others])])
    end.

listen_port_please(Name, Host) ->
    erl_epmd:listen_port_please(Name, Host).

%% Finds the address to dial for a node: a port of distwall that leads to it, or its own port if it is a mate on this host.
%% Returns an error if the policy does not let this node reach it.
address_please(Name, Host, Family) ->
    Loopback = loopback(Family),
    case port2(Loopback, register_port(), to_list(Name) ++ "@" ++ to_list(Host)) of
        {port, Port} -> {ok, Loopback, Port, ?DIST_VERSION};
        noport -> {error, nxdomain};
        {error, _} = Error -> Error
    end.

port_please(Name, Host) ->
    port_please(Name, Host, infinity).

port_please(Name, Host, _Timeout) ->
    case epmd_of(Host) of
        {ok, Address, EpmdPort} ->
            case port2(Address, EpmdPort, to_list(Name)) of
                {port, Port} -> {port, Port, ?DIST_VERSION};
                noport -> noport;
                {error, _} = Error -> Error
            end;
        {error, _} ->
            noport
    end.

names() ->
    {ok, Host} = inet:gethostname(),
    names(Host).

%% Lists the nodes of a host: of this host from distwall, of another host from its EPMD.
names(Host) ->
    case epmd_of(Host) of
        {ok, Address, EpmdPort} ->
            case ask(Address, EpmdPort, <<?NAMES_REQ>>, fun receive_all/1) of
                {ok, <<EpmdPort:32, Lines/binary>>} -> {ok, parse_names(Lines)};
                {ok, _} -> {error, address};
                {error, _} -> {error, address}
            end;
        {error, _} = Error ->
            Error
    end.

%% ---- before the node listens ----

check_otp() ->
    case erlang:system_info(otp_release) of
        Release when length(Release) > 2; Release >= "25" -> ok;
        Release -> throw({refused, "guarded nodes need OTP 25 or newer; this is ~ts", [Release]})
    end.

%% The address family of the carriers. net_kernel reads -proto_dist in the same way.
family() ->
    Carriers = case init:get_argument(proto_dist) of
        {ok, [Given]} -> Given;
        _ -> ["inet_tcp"]
    end,
    case lists:usort([family(Carrier) || Carrier <- Carriers]) of
        [Family] -> Family;
        _ -> throw({refused, "-proto_dist names carriers of both address families; name one", []})
    end.

family("inet_tcp") -> inet;
family("inet_tls") -> inet;
family("inet6_tcp") -> inet6;
family("inet6_tls") -> inet6;
family(Carrier) ->
    throw({refused, "-proto_dist ~ts: distwall knows inet_tcp, inet6_tcp, inet_tls and inet6_tls", [Carrier]}).

check_flags() ->
    Register = integer_to_list(register_port()),
    case init:get_argument(epmd_port) of
        {ok, [[Register | _] | _]} ->
            ok;
        Other ->
            Port = case Other of {ok, [[Given | _] | _]} -> Given; _ -> "4369" end,
            throw({refused, "the node would register at EPMD port ~ts, and distwall's is ~ts; don't set ERL_EPMD_PORT",
                   [Port, Register]})
    end.

check_tls() ->
    case {init:get_argument(proto_dist), init:get_argument(distwall_tls)} of
        {{ok, [Carriers]}, {ok, [["false"] | _]}} ->
            [throw({refused, "-proto_dist ~ts, but the policy has no [guard.tls.inside]", [Carrier]})
             || Carrier <- Carriers, lists:suffix("_tls", Carrier)];
        _ ->
            ok
    end.

bind_to_loopback(Family) ->
    application:set_env(kernel, inet_dist_use_interface, loopback(Family), [{persistent, true}]),
    [case application:get_env(kernel, Key) of
         {ok, Options} when is_list(Options) ->
             Kept = [Option || Option <- Options, keeps_address(Option)],
             application:set_env(kernel, Key, Kept, [{persistent, true}]);
         _ ->
             ok
     end || Key <- [inet_dist_listen_options, inet_dist_connect_options]],
    ok.

%% True if a socket option does not change the address of a socket.
keeps_address({Name, _}) ->
    not lists:member(Name, [ip, ifaddr, fd, bind_to_device, netns, tcp_module, inet_backend, family]);
keeps_address(Option) ->
    not lists:member(Option, [inet, inet6, local]).

%% Removes the boot folder from the code path: it is needed only once, see boot/heart.erl.
leave_boot_folder() ->
    case init:get_argument(distwall_boot) of
        {ok, [[Dir | _] | _]} -> leave(Dir);
        _ -> ok
    end.

%% Removes each occurrence of a folder: in embedded mode a folder named twice is in the path twice.
leave(Dir) ->
    case code:del_path(Dir) of
        true -> leave(Dir);
        _ -> ok
    end.

%% The addresses where this VM's sockets are bound at Port.
listening_at(Port) ->
    Ports = [inet:sockname(Each) || Each <- erlang:ports(), erlang:port_info(Each, name) =:= {name, "tcp_inet"}],
    Sockets = try [socket:sockname(Each) || Each <- socket:which_sockets(tcp)] catch _:_ -> [] end,
    Found = [Address || {ok, {Address, At}} <- Ports, At =:= Port]
        ++ [Address || {ok, #{addr := Address, port := At}} <- Sockets, At =:= Port],
    case Found of
        [] -> [unknown];
        _ -> Found
    end.

is_loopback({127, _, _, _}) -> true;
is_loopback({0, 0, 0, 0, 0, 0, 0, 1}) -> true;
is_loopback(_) -> false.

%% ---- asking EPMD ----

register_port() ->
    port_argument(distwall_register, fun() -> port_argument(epmd_port, fun() -> 4369 end) end).

peer_epmd_port() ->
    port_argument(distwall_peer_epmd, fun register_port/0).

port_argument(Flag, Default) ->
    case init:get_argument(Flag) of
        {ok, [[Port | _] | _]} -> list_to_integer(Port);
        _ -> Default()
    end.

loopback(inet) -> {127, 0, 0, 1};
loopback(inet6) -> {0, 0, 0, 0, 0, 0, 0, 1}.

%% The EPMD that knows the nodes of a host.
epmd_of(Host) ->
    Family = family(),
    case inet:getaddr(Host, Family) of
        {ok, Address} ->
            case is_loopback(Address) orelse is_own(Address) of
                true -> {ok, loopback(Family), register_port()};
                false -> {ok, Address, peer_epmd_port()}
            end;
        {error, _} = Error ->
            Error
    end.

is_own(Address) ->
    case inet:getifaddrs() of
        {ok, Interfaces} -> lists:any(fun({_, Options}) -> lists:member({addr, Address}, Options) end, Interfaces);
        _ -> false
    end.

port2(Address, EpmdPort, Name) ->
    case ask(Address, EpmdPort, <<?PORT2_REQ, (unicode:characters_to_binary(Name))/binary>>, fun receive_port/1) of
        {ok, <<?PORT2_RESP, 0, Port:16>>} -> {port, Port};
        {ok, <<?PORT2_RESP, _>>} -> noport;
        {ok, _} -> {error, address};
        {error, _} = Error -> Error
    end.

receive_port(Socket) ->
    case gen_tcp:recv(Socket, 2, ?ANSWER_TIMEOUT) of
        {ok, <<?PORT2_RESP, 0>> = Head} ->
            case gen_tcp:recv(Socket, 2, ?ANSWER_TIMEOUT) of
                {ok, Port} -> {ok, <<Head/binary, Port/binary>>};
                Error -> Error
            end;
        Other ->
            Other
    end.

receive_all(Socket) ->
    receive_all(Socket, <<>>).

receive_all(_, Data) when byte_size(Data) > ?MAX_NAMES ->
    {error, emsgsize};
receive_all(Socket, Data) ->
    case gen_tcp:recv(Socket, 0, ?ANSWER_TIMEOUT) of
        {ok, More} -> receive_all(Socket, <<Data/binary, More/binary>>);
        {error, closed} -> {ok, Data};
        {error, _} = Error -> Error
    end.

ask(Address, EpmdPort, Request, Receive) ->
    Family = case tuple_size(Address) of 4 -> inet; 8 -> inet6 end,
    case gen_tcp:connect(Address, EpmdPort, [Family, binary, {active, false}], ?CONNECT_TIMEOUT) of
        {ok, Socket} ->
            try
                case gen_tcp:send(Socket, [<<(byte_size(Request)):16>>, Request]) of
                    ok -> Receive(Socket);
                    Error -> Error
                end
            after
                gen_tcp:close(Socket)
            end;
        {error, _} = Error ->
            Error
    end.

parse_names(Lines) ->
    lists:append([parse_name(Line) || Line <- string:lexemes(to_list(Lines), "\n")]).

parse_name(Line) ->
    parse_words(string:lexemes(Line, " ")).

parse_words(["name", Name, "at", "port", Port]) ->
    try [{Name, list_to_integer(Port)}] catch error:badarg -> [] end;
parse_words(_) ->
    [].

%% ---- texts ----

refuse(Format, Args) ->
    Text = lists:flatten(io_lib:format("distwall: " ++ Format, Args)),
    logger:error("~ts", [Text]),
    {error, Text}.

print(unknown, Port) -> io_lib:format("an unknown address, port ~w", [Port]);
print(Address, Port) when tuple_size(Address) =:= 8 -> io_lib:format("[~ts]:~w", [inet:ntoa(Address), Port]);
print(Address, Port) -> io_lib:format("~ts:~w", [inet:ntoa(Address), Port]).

to_list(Atom) when is_atom(Atom) -> atom_to_list(Atom);
to_list(Address) when is_tuple(Address) -> inet:ntoa(Address);
to_list(Binary) when is_binary(Binary) -> unicode:characters_to_list(Binary);
to_list(List) -> List.
