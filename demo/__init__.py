"""``make demo``: the main job of distwall on real Erlang nodes."""
