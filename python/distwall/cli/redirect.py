"""``distwall redirect``: the packet filter's part of transparent mode."""

import typer

from distwall.cli.output import CommandError, ConfigOption, say
from distwall.cli.policy_file import find_config, load_policy
from distwall.redirect.nft import NftError, install, remove
from distwall.redirect.ruleset import TABLE, UnknownUserError, ruleset

app = typer.Typer(
    name="redirect",
    help="Redirect outgoing connections of nodes started without distwall exec, by nftables.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("show")
def show_rules(config: ConfigOption = None) -> None:
    """Print the nftables rules, exactly as install loads them."""
    typer.echo(_rules(config), nl=False)


@app.command("install")
def install_rules(config: ConfigOption = None) -> None:
    """Load the nftables rules, in place of an earlier install."""
    rules = _rules(config)
    try:
        install(rules)
    except NftError as error:
        raise CommandError(str(error)) from None
    say(f"installed: nft list table {TABLE}; connections that are open already go on as they are")


@app.command("remove")
def remove_rules() -> None:
    """Remove the rules that install has loaded, and no others."""
    try:
        remove()
    except NftError as error:
        raise CommandError(str(error)) from None
    say(f"removed: table {TABLE}; connections that are open go on as they are")


def _rules(config: ConfigOption) -> str:
    policy = load_policy(config)
    redirect = policy.guard.redirect
    if redirect is None:
        raise CommandError(
            f'{find_config(config)}: no [guard.redirect] here; add it, with user = "NAME" of the user that runs the'
            " guarded nodes",
            exit_code=2,
        )
    try:
        return ruleset(redirect, policy.guard.register.port)
    except UnknownUserError as error:
        raise CommandError(f"{policy.path}: {error}") from None
