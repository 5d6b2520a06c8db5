"""IO devices: user, standard_error, open files; and who gets a process's output."""

from tests.attacks.corpus.attack import told

PUT = "{put_chars, unicode, erlang, send, [victim, Mark]}"
HOLDER = "probe:collector(holder), {ok, F} = probe:do(holder, fun() -> OPEN end), register(target, F)"
FILE = HOLDER.replace("OPEN", "file:open(Path, [write])")
CLOSED = "catch exit(whereis(holder), kill), file:delete(Path)"

ATTACKS = [
    told(
        "io request to user",
        "user",
        "has `user` call a function for what it is to write",
        f"{{io_request, self(), ref, {PUT}}}",
    ),
    told("io request to standard_error", "standard_error", "likewise", f"{{io_request, self(), ref, {PUT}}}"),
    told(
        "io request in a list",
        "user",
        "likewise, as one of several requests",
        f"{{io_request, self(), ref, {{requests, [{PUT}]}}}}",
    ),
    told(
        "io request in a list in a list",
        "user",
        "likewise, one level deeper",
        f"{{io_request, self(), ref, {{requests, [getopts, {{requests, [{PUT}]}}]}}}}",
    ),
    told(
        "io request in Latin-1",
        "user",
        "likewise, in another encoding",
        "{io_request, self(), ref, {put_chars, latin1, erlang, send, [victim, Mark]}}",
    ),
    told(
        "io request of old",
        "user",
        "likewise, as before there were encodings",
        "{io_request, self(), ref, {put_chars, erlang, send, [victim, Mark]}}",
    ),
    told(
        "io request to a file",
        "target",
        "has an open file's process call a function",
        f"{{io_request, self(), ref, {PUT}}}",
        setup=FILE,
        cleanup=CLOSED,
    ),
    told(
        "file request",
        "target",
        "has an open file's process write",
        '{file_request, self(), make_ref(), {pwrite, 0, <<"evil">>}}',
        setup=FILE,
        effect='file:read_file(Path) =:= {ok, <<"evil">>}',
        cleanup=CLOSED,
    ),
]
