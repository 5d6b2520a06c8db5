%% mnesia on two nodes: one schema, a table on both in memory, a copied table, and a table on one node only.
-module(ledger).
-export([setup/0, create/1, run/1, copies/0, gone/1]).

setup() ->
    ok = application:load(mnesia),
    application:set_env(mnesia, dir, "mnesia-" ++ atom_to_list(node())),
    application:set_env(mnesia, schema_location, ram),
    ok = mnesia:start(),
    mnesia:system_info(is_running).

%% On one node.
create(Peer) ->
    {ok, [Peer]} = mnesia:change_config(extra_db_nodes, [Peer]),
    Both = [node(), Peer],
    [
        mnesia:create_table(account, [{ram_copies, Both}]),
        mnesia:create_table(entry, [{ram_copies, [Peer]}, {type, bag}]),
        mnesia:create_table(note, [{ram_copies, [node()]}]),
        mnesia:add_table_copy(note, Peer, ram_copies),
        mnesia:add_table_index(account, 3),
        mnesia:wait_for_tables([account, entry, note], 5000)
    ].

run(Peer) ->
    probe:steps([
        {nodes, fun() -> length(mnesia:system_info(running_db_nodes)) end},
        {write, fun() -> mnesia:transaction(fun() -> [mnesia:write({account, N, N * 10}) || N <- lists:seq(1, 50)], done end) end},
        {read, fun() -> mnesia:transaction(fun() -> {mnesia:read(account, 7), mnesia:index_read(account, 70, 3)} end) end},
        {transfer, fun() -> mnesia:transaction(fun() ->
            [{account, 1, A}] = mnesia:read(account, 1, write),
            [{account, 2, B}] = mnesia:wread({account, 2}),
            mnesia:write({account, 1, A - 5}),
            mnesia:write({account, 2, B + 5}),
            mnesia:write({entry, 1, {from, 1, to, 2}})
        end) end},
        {aborted, fun() -> mnesia:transaction(fun() -> mnesia:write({account, 1, 0}), mnesia:abort(no) end) end},
        {remote_table, fun() -> [mnesia:transaction(fun() -> mnesia:write({entry, 1, also}), lists:sort(mnesia:read(entry, 1)) end),
                        mnesia:dirty_write({entry, 2, dirty}), mnesia:dirty_read(entry, 2), mnesia:dirty_first(entry),
                        lists:sort(mnesia:dirty_all_keys(entry)), mnesia:dirty_match_object({entry, 2, '_'}),
                        mnesia:dirty_select(entry, [{{entry, 2, '$1'}, [], ['$1']}]),
                        mnesia:table_info(entry, size)] end},
        {foldl, fun() -> mnesia:transaction(fun() -> mnesia:foldl(fun({_, _, Sum}, All) -> Sum + All end, 0, account) end) end},
        {table_lock, fun() -> mnesia:transaction(fun() -> mnesia:write_lock_table(account), mnesia:delete({account, 50}) end) end},
        {dirty, fun() -> [mnesia:dirty_write({account, 60, 6}), mnesia:dirty_read(account, 60), mnesia:dirty_delete({account, 60}),
                 mnesia:dirty_update_counter(note, hits, 3), mnesia:dirty_update_counter(note, hits, 4)] end},
        {contexts, fun() -> [mnesia:activity(Context, fun() -> mnesia:write({account, Context, 1}), mnesia:read(account, Context) end)
            || Context <- [transaction, sync_transaction, async_dirty, sync_dirty, ets] -- [ets]] end},
        {global_lock, fun() -> mnesia:transaction(fun() -> mnesia:lock({global, ledger, [node(), Peer]}, write) end) =/= aborted end},
        {subscribe, fun() ->
            {ok, _} = mnesia:subscribe({table, account, simple}),
            ok = mnesia:dirty_write({account, seen, 1}),
            Event = receive {mnesia_table_event, {What, _, _}} -> What after 5000 -> lost end,
            {ok, _} = mnesia:unsubscribe({table, account, simple}),
            Event
        end},
        {schema, fun() -> [mnesia:create_table(extra, [{ram_copies, [node(), Peer]}]), mnesia:clear_table(account),
                  mnesia:transform_table(account, ignore, [key, val]), mnesia:delete_table(extra)] end},
        {move, fun() -> [mnesia:move_table_copy(entry, Peer, node()), mnesia:move_table_copy(entry, node(), Peer)] end},
        {left, fun() -> mnesia:table_info(account, size) end}
    ]).

copies() -> [lists:sort(mnesia:dirty_all_keys(Table)) || Table <- [account, note]].

gone(Peer) -> probe:until(fun() -> not lists:member(Peer, mnesia:system_info(running_db_nodes)) end).
