"""``distwall token``: tokens for the HTTP API over TCP, and tokens with which a peer raises its own access."""

from datetime import timedelta
from typing import Annotated

import typer

from distwall.cli.output import CommandError, ConfigOption, Output, OutputOption, console, empty_table, print_json, say
from distwall.cli.policy_file import given_seconds, own_path
from distwall.cli.remote import TokenOption, UrlOption, ask, tell
from distwall.clock import utc
from distwall.http_api.bearer_tokens import Token, TokenFile, TokenFileError
from distwall.operations import NODE, REASON, ROLES, TABLE

app = typer.Typer(name="token", help="Tokens for the HTTP API over TCP, and for peers.", no_args_is_help=True)


@app.command()
def create(
    role: Annotated[str, typer.Option("--role", help="read, operate or admin; each includes the roles before it.")],
    lifetime: Annotated[str, typer.Option("--for", help="How long it is valid, as in 12h or 30d.")] = "30d",
    name: Annotated[
        str | None, typer.Option("--name", help="A name, for the log and for revoke.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Make a token and print it, once: only its hash is kept."""
    if role not in ROLES:
        raise CommandError(f"`{role}` is not a role; write read, operate or admin", exit_code=2)
    time = timedelta(seconds=given_seconds(lifetime))
    try:
        token, text = _file(config).create(ROLES[role], time, name, utc())
    except TokenFileError as error:
        raise CommandError(str(error)) from None
    if output is Output.JSON:
        print_json({**_shown(token), "token": text})
        return
    typer.echo(text)
    say(f"{token.name}: {token.role} until {token.expires}; it can't be shown again")


@app.command("list")
def list_(config: ConfigOption = None, output: OutputOption = Output.HUMAN) -> None:
    """List the tokens, without their secret parts."""
    try:
        tokens = _file(config).tokens()
    except TokenFileError as error:
        raise CommandError(str(error)) from None
    if output is Output.JSON:
        print_json([_shown(token) for token in tokens])
        return
    if not tokens:
        console().print("there are no tokens")
        return
    table = empty_table("NAME", "ROLE", "CREATED", "EXPIRES")
    for token in tokens:
        over = " (expired)" if token.has_expired(utc()) else ""
        table.add_row(token.name, token.role, token.created, token.expires + over)
    console().print(table)


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The name or the id of the token.", show_default=False)],
    config: ConfigOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Revoke a token; the next request with it is refused."""
    try:
        token = _file(config).revoke(name)
    except TokenFileError as error:
        raise CommandError(str(error)) from None
    if output is Output.JSON:
        print_json(_shown(token))
    else:
        console().print(f"{token.name}: revoked")


@app.command()
def access(
    node: Annotated[str, typer.Argument(help=NODE.meaning, show_default=False)],
    table: Annotated[str, typer.Argument(help=TABLE.meaning, show_default=False)],
    *,
    lifetime: Annotated[str, typer.Option("--for", help="How long the peer then has the table.", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", help=REASON.meaning, show_default=False)],
    valid: Annotated[str, typer.Option("--valid", help="How long the token can be used.")] = "1h",
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Make a token with which a peer grants itself a table, once, and print it."""
    seconds, wait = (given_seconds(text) for text in (lifetime, valid))
    result = ask(
        lambda client: client.call("issue_token", node=node, table=table, seconds=seconds, reason=reason, valid=wait),
        config,
        url,
        token,
    )
    tell(result, output, result["token"])
    if output is not Output.JSON:
        say(f"{node} can use it once, within {valid}, to have table {table} for {lifetime}")


def _file(config: ConfigOption) -> TokenFile:
    return TokenFile(own_path(config, "control", "tokens"))


def _shown(token: Token) -> dict[str, str]:
    return {"id": token.id, "name": token.name, "role": token.role, "created": token.created, "expires": token.expires}
