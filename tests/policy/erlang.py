"""A real Erlang that reads terms: how a text is to be understood."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

# A text a line, in hexadecimal; back comes its external format in hexadecimal, or `error`.
_READER = """
Loop = fun(Loop) ->
    case io:get_line("") of
        eof -> halt();
        Line ->
            Text = unicode:characters_to_list(binary:decode_hex(list_to_binary(string:trim(Line)))),
            Answer = try
                {ok, Tokens, _} = erl_scan:string(Text ++ " ."),
                {ok, Term} = erl_parse:parse_term(Tokens),
                binary:encode_hex(term_to_binary(Term, [{minor_version, 2}]))
            catch _:_ -> <<"error">> end,
            io:put_chars([Answer, "\\n"]),
            Loop(Loop)
    end
end, Loop(Loop).
"""


class ErlangReader:
    """Reads terms."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def external(self, text: str) -> bytes | None:
        """The external format of the term, without 131; None if Erlang does not take it for one."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(text.encode().hex() + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer
        return None if answer == "error" else bytes.fromhex(answer)[1:]


@contextmanager
def erlang_reader() -> Iterator[ErlangReader]:
    """An Erlang for as long as the block lasts."""
    command = ["erl", "-noshell", "-boot", "start_clean", "-eval", _READER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield ErlangReader(process)
        assert process.stdin
        process.stdin.close()
        process.wait(30)
