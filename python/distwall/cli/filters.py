"""Rules at run time: ``set-filter``, ``add-filter``, ``attach`` and similar commands."""

from typing import Annotated

import typer

from distwall.cli.output import ConfigOption, Output, OutputOption
from distwall.cli.remote import GuardOption, NodeArgument, PersistOption, TokenOption, UrlOption, ask, tell

CommandArgument = Annotated[str, typer.Argument(help="One of the 14 commands; _ for all.", show_default=False)]
KeyArgument = Annotated[
    str, typer.Argument(help="A registered name, or M:F/A for spawn_request; _ for all.", show_default=False)
]
OptionalKeyArgument = Annotated[
    str | None, typer.Argument(help="A registered name, or M:F/A for spawn_request.", show_default=False)
]
VerdictArgument = Annotated[str, typer.Argument(help="accept, deny or drop.", show_default=False)]
TableArgument = Annotated[str, typer.Argument(help="The name of a table.", show_default=False)]
ModuleArgument = Annotated[str, typer.Argument(help="A module; undefined removes it.", show_default=False)]


def set_filter(
    node: NodeArgument,
    command: CommandArgument,
    verdict: VerdictArgument,
    *,
    guard: GuardOption = None,
    persist: PersistOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Set the verdict on a command of a peer, for targets without a rule of their own."""
    result = ask(
        lambda client: client.call(
            "set_filter", node=node, command=command, verdict=verdict, guard=guard, persist=persist
        ),
        config,
        url,
        token,
    )
    tell(result, output, f"{node}: {verdict} {command}, before: {result['previous']}")


def add_filter(
    node: NodeArgument,
    command: CommandArgument,
    key: KeyArgument,
    verdict: VerdictArgument,
    *,
    guard: GuardOption = None,
    persist: PersistOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Set the verdict on a command of a peer with a key."""
    result = ask(
        lambda client: client.call(
            "add_filter", node=node, command=command, key=key, verdict=verdict, guard=guard, persist=persist
        ),
        config,
        url,
        token,
    )
    tell(result, output, f"{node}: {verdict} {command} {key}, before: {result['previous']}")


def del_filter(
    node: NodeArgument,
    command: CommandArgument,
    key: OptionalKeyArgument = None,
    *,
    guard: GuardOption = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Remove a verdict that set-filter or add-filter has set."""
    result = ask(
        lambda client: client.call("del_filter", node=node, command=command, key=key, guard=guard), config, url, token
    )
    tell(
        result, output, f"{node}: no filter for {' '.join(filter(None, (command, key)))}, before: {result['previous']}"
    )


def test_filter(
    node: NodeArgument,
    command: CommandArgument,
    key: OptionalKeyArgument = None,
    *,
    guard: GuardOption = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Show the verdict on a command of a peer now, with run-time settings and grants."""
    result = ask(
        lambda client: client.call("test_filter", node=node, command=command, key=key, guard=guard), config, url, token
    )
    tell(result, output, result["verdict"])


def set_default_filter(
    command: CommandArgument,
    key: KeyArgument,
    verdict: VerdictArgument,
    *,
    guard: GuardOption = None,
    persist: PersistOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Set the verdict on commands that no rule of a peer matches."""
    result = ask(
        lambda client: client.call(
            "set_default_filter", command=command, key=key, verdict=verdict, guard=guard, persist=persist
        ),
        config,
        url,
        token,
    )
    tell(result, output, f"defaults: {verdict} {command} {key}, before: {result['previous']}")


def set_handler(
    node: NodeArgument,
    command: CommandArgument,
    module: ModuleArgument,
    *,
    guard: GuardOption = None,
    persist: PersistOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Let a module handle a command of a peer."""
    result = ask(
        lambda client: client.call(
            "set_handler", node=node, command=command, module=_module(module), guard=guard, persist=persist
        ),
        config,
        url,
        token,
    )
    tell(result, output, f"{node}: {command} is handled by {module}, before: {result['previous'] or 'undefined'}")


def filter_(
    node: NodeArgument,
    module: ModuleArgument,
    *,
    guard: GuardOption = None,
    persist: PersistOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Let a module decide about accepted commands of a peer."""
    result = ask(
        lambda client: client.call("filter", node=node, module=_module(module), guard=guard, persist=persist),
        config,
        url,
        token,
    )
    tell(result, output, f"{node}: filtered by {module}, before: {result['previous'] or 'undefined'}")


def attach(
    node: NodeArgument,
    table: TableArgument,
    *,
    guard: GuardOption = None,
    persist: PersistOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Attach a table to a peer, behind its other tables."""
    result = ask(
        lambda client: client.call("attach", node=node, table=table, guard=guard, persist=persist), config, url, token
    )
    tell(result, output, f"{node}: table {table} is attached")


def detach(
    node: NodeArgument,
    table: TableArgument,
    *,
    guard: GuardOption = None,
    persist: PersistOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Detach a table from a peer."""
    result = ask(
        lambda client: client.call("detach", node=node, table=table, guard=guard, persist=persist), config, url, token
    )
    tell(result, output, f"{node}: table {table} is detached")


def set_table(
    table: TableArgument,
    rules: Annotated[list[str] | None, typer.Argument(help="All rules of the table.", show_default=False)] = None,
    *,
    from_file: Annotated[bool, typer.Option("--from-file", help="Bring back the rules of the policy file.")] = False,
    persist: PersistOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Set all rules of a table, at once for every peer with that table."""
    if from_file and rules:
        raise typer.BadParameter("either rules or --from-file")
    new = None if from_file else rules or []
    result = ask(lambda client: client.call("set_table", table=table, rules=new, persist=persist), config, url, token)
    what = "as the file has it" if new is None else f"{len(new)} {'rule' if len(new) == 1 else 'rules'}"
    tell(result, output, f"table {table}: {what}")


def _module(text: str) -> str | None:
    return None if text == "undefined" else text
