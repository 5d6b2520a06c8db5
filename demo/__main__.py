"""Three real nodes and the line that halts them all: first without distwall, then with it.

Ends with exit code 1 if anything is not as it should be.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from tests.support.node import Node
from tests.support.scene import GUARD, Scene

POLICY = Path(__file__).with_name("distwall.toml")
COOKIES = {"foo@127.0.0.1": "the cookie of foo", "baz@127.0.0.1": "the cookie of baz"}
ATTACK = f"erpc:cast('{GUARD}', fun Halt() -> erpc:multicast(nodes(), Halt), erlang:halt(1) end)"

AWAKE = ["+S", "3:3", "+sbwt", "very_long", "+swt", "very_low"]
"""bar halts right behind its sends: only if another scheduler is awake then do they still leave it."""

ATTEMPTS = 4
"""Attempts of the line: bar may be gone before its messages have left it, and the others live."""

console = Console(width=118)
failures: list[str] = []


def expect(fact: bool, what: str) -> None:
    """Notes that something is not as it should be."""
    if not fact:
        failures.append(what)


def start(scene: Scene) -> list[Node]:
    """``[foo, bar, baz]``: bar and baz are a cluster, foo is on its own."""
    bar = scene.guard(flags=AWAKE, launched=True)
    foo, baz = (scene.peer(name, cookie=None if scene.direct else cookie) for name, cookie in COOKIES.items())
    bar.eval("probe:start_server(node_b_gateway)")
    expect(baz.eval(f"net_adm:ping('{GUARD}')") == "pong", "baz reaches bar")
    bar.wait_until("nodes() =:= ['baz@127.0.0.1']")
    return [foo, bar, baz]


def shell(node: Node, line: str, *, show: str | None = None) -> str:
    """Enters a line on a node, and shows it with what it returned and how long that took."""
    milliseconds, value = node.timed(line)
    name = node.name.partition("@")[0]
    console.print(Text.assemble((f"  {name}> ", "bold cyan"), (f"{show or line}.", "bold")))
    refused = value.startswith(("{error,", "{exit,"))
    short = value if len(value) < 90 else f"{value[:87]}..."
    console.print(Text.assemble("       ", (short, "red" if refused else "green"), (f"   in {milliseconds} ms", "dim")))
    return value


def wait_for_halt(nodes: list[Node], seconds: float) -> None:
    """Gives nodes the time to halt."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(node.running for node in nodes):
        time.sleep(0.05)


def show_nodes(nodes: list[Node], alive: bool) -> None:
    """One row for each node: does it live?"""
    if alive:
        wait_for_halt(nodes, 1.5)
    table = Table(box=box.SIMPLE, show_header=False, padding=(0, 2))
    for node in nodes:
        state = Text("alive", "bold green") if node.running else Text("halted", "bold red")
        table.add_row(node.name, state)
        expect(node.running is alive, f"{node.name} is {'alive' if alive else 'halted'}")
    console.print(table)


def without() -> None:
    """The scene as it is today."""
    console.print(Rule("[bold]1  Without distwall[/bold]", style="red"))
    console.print("\nbar and baz are a cluster. foo, not connected to either, has the cookie. One line on foo:\n")
    console.print(Text.assemble(("  foo> ", "bold cyan"), (f"{ATTACK}.", "bold")))
    for attempt in range(ATTEMPTS):
        with Scene(None) as scene:
            nodes = start(scene)
            nodes[0].begin(ATTACK)
            wait_for_halt(nodes, 10)
            if attempt == ATTEMPTS - 1 or not any(node.running for node in nodes):
                show_nodes(nodes, alive=False)
                return


def guarded() -> None:
    """The scene with distwall between foo and bar."""
    console.print(Rule("[bold]2  With distwall between them[/bold]", style="green"))
    text = POLICY.read_text()
    rules = text[text.index("[defaults]") :].rstrip()
    console.print()
    console.print(
        Panel(Syntax(rules, "toml", background_color="default"), title="demo/distwall.toml (in part)", expand=False)
    )
    with Scene(POLICY) as scene:
        nodes = foo, bar, _ = start(scene)
        console.print("The same nodes, unmodified. The same line, and what else foo might try:\n")
        shell(foo, ATTACK)
        got = shell(foo, f"erpc:call('{GUARD}', erlang, halt, [1])")
        expect(got == "{error,{erpc,not_allowed}}", "erpc:call is refused with an error")
        got = shell(foo, f"gen_server:call({{some_secret, '{GUARD}'}}, tell)")
        expect(got.startswith("{exit,{noproc,"), "a call to another name fails at once")
        got = shell(foo, f"sys:replace_state({{node_b_gateway, '{GUARD}'}}, fun(_) -> stolen end)")
        expect(got.startswith("{exit,{"), "sys:replace_state is refused")
        show_nodes(nodes, alive=True)
        console.print("What the policy allows still works:\n")
        got = shell(foo, f"gen_server:call({{node_b_gateway, '{GUARD}'}}, {{add, 42}})")
        expect(got == "42", "the allowed call works")
        expect(shell(foo, f"net_adm:ping('{GUARD}')") == "pong", "ping works")
        expect(shell(bar, "erpc:call('foo@127.0.0.1', erlang, node, [])") == "'foo@127.0.0.1'", "bar's own calls work")
        console.print(
            "\nWhat bar dials goes through distwall as well. It dials foo, which may do no more over that connection:\n"
        )
        got = shell(bar, "erlang:disconnect_node('foo@127.0.0.1'), net_kernel:connect_node('foo@127.0.0.1')")
        expect(got == "true", "bar dials foo")
        got = shell(foo, f"erpc:call('{GUARD}', erlang, halt, [1])")
        expect(got == "{error,{erpc,not_allowed}}", "erpc:call is refused there, too")
        got = shell(bar, "net_adm:ping('lure@127.0.0.9')")
        expect(got == "pang", "bar reaches nobody that the policy does not name")
        dialled = scene.wall.wait_event("handshake_refused", peer="lure@127.0.0.9")
        expect(dialled["reason"] == "unknown_node", "the log says that no entry names it")
        console.print()
        console.print(Rule("[bold]3  What distwall counted and recorded[/bold]", style="blue"))
        console.print()
        counters(scene.wall.statistics(foo.name)["inbound"])
        log(scene.wall.events("refused"))


def counters(statistics: dict[str, dict[str, int]]) -> None:
    """The commands of foo that were counted."""
    table = Table(title="distwall stats foo@127.0.0.1", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("from foo to bar")
    for verdict in ("accept", "deny", "drop"):
        table.add_column(verdict, justify="right")
    for command, counts in statistics.items():
        if any(counts.values()):
            deny = Text(str(counts["deny"]), "bold red" if counts["deny"] else "")
            table.add_row(command, str(counts["accept"]), deny, str(counts["drop"]))
    expect(statistics["spawn_request"]["deny"] >= 2, "the refused spawn requests are counted")
    expect(statistics["reg_send"]["accept"] >= 1, "the accepted call is counted")
    console.print(table)


def log(events: list[dict[str, Any]]) -> None:
    """The refusals in the audit log."""
    table = Table(title="distwall's log, one JSON object a line", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("time", "peer", "guard", "command", "target", "verdict", "deciding rule"):
        table.add_column(column, overflow="fold")
    for event in events:
        rule = event["rule"]
        where = f"{rule['text']}\n{Path(rule['file']).name}:{rule['line']}" if rule else event["reason"]
        table.add_row(
            event["time"][11:23],
            event["peer"].replace("@", "\n@"),
            event["guard"].replace("@", "\n@"),
            event["command"],
            event["target"],
            Text(event["verdict"], "bold red"),
            where,
        )
    expect(any(event["target"] == "erpc:execute_cast/3" for event in events), "the line is in the log")
    expect(all(event["rule"] or event["reason"] for event in events), "the log says why")
    console.print(table)
    console.print("The first of them as it stands in the file:")
    console.print_json(json.dumps(events[0]), indent=None)


def main() -> None:
    """Plays it."""
    begin = time.monotonic()
    without()
    guarded()
    if failures:
        console.print(f"\n[bold red]Not as it should be:[/bold red] {'; '.join(failures)}")
        sys.exit(1)
    console.print(f"\n[bold green]As it should be[/bold green], in {time.monotonic() - begin:.0f} seconds.")


if __name__ == "__main__":
    main()
