%% A module that is compiled here and loaded into the nodes of the mesh, as c:nl/1 does it.
-module(reload).
-export([setup/0, run/1]).

setup() -> ok.

run(Peer) ->
    Folder = filename:join("/tmp", "ordinary-" ++ os:getpid()),
    Module = list_to_atom("reloaded_by_" ++ hd(string:split(atom_to_list(node()), "@"))),
    File = filename:join(Folder, atom_to_list(Module)),
    ok = filelib:ensure_dir(File),
    true = code:add_path(Folder),
    Loads = fun(Version) ->
        {ok, Module, Beam} = compile:forms([{attribute, 1, module, Module}, {attribute, 1, export, [{version, 0}]},
            {function, 1, version, 0, [{clause, 1, [], [], [{integer, 1, Version}]}]}]),
        ok = file:write_file(File ++ ".beam", Beam),
        %% The node itself is told in the same way, and waits for nobody.
        {c:nl(Module), [probe:until(fun() -> (catch erpc:call(Node, Module, version, [])) =:= Version end) || Node <- [Peer, node()]]}
    end,
    Result = probe:steps([{loaded, fun() -> Loads(1) end}, {loaded_anew, fun() -> Loads(2) end}]),
    true = code:del_path(Folder),
    ok = file:del_dir_r(Folder),
    Result.
