"""``distwall init``: a policy file to start from."""

import os
import secrets
import string
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from distwall.cli.output import CommandError, console

_ERLANG_COOKIE = "~/.erlang.cookie"


def init(
    file: Annotated[Path, typer.Argument(help="The policy file to write.")] = Path("distwall.toml"),
) -> None:
    """Write a commented policy file to start from."""
    peer_cookie = file.parent / "foo.cookie"
    try:
        cluster_cookie, made_cluster_cookie = _cluster_cookie(file)
        text = files("distwall.cli").joinpath("starter.toml").read_text(encoding="utf-8")
        text = _fill(text, "@CLUSTER_COOKIE@", cluster_cookie)
        text = _fill(text, "@PEER_COOKIE@", peer_cookie.name)
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
        _write_cookie(peer_cookie)
        if made_cluster_cookie:
            _write_cookie(file.parent / cluster_cookie)
    except FileExistsError:
        raise CommandError(f"{file} exists already; edit it, or name another file") from None
    except OSError as error:
        raise CommandError(f"{error.filename or file}: can't write: {error.strerror}; choose another folder") from None
    out = console()
    out.print(Text.assemble(("wrote ", "green"), (str(file), "bold"), f" and {peer_cookie}"))
    cookie_step = (
        f"put the cookie of your cluster in {file.parent / cluster_cookie}, and " if made_cluster_cookie else ""
    )
    elsewhere = file != Path("distwall.toml")
    config = f" --config {file}" if elsewhere else ""
    with_cookie = f' -setcookie "$(cat {file.parent / cluster_cookie})"' if made_cluster_cookie else ""
    for number, step in enumerate(
        (
            f"{cookie_step}name your nodes in {file}; then: distwall check{f' {file}' if elsewhere else ''}",
            f"distwall run{config}",
            f"start the guarded node: distwall exec{config} -- erl -name bar@127.0.0.2{with_cookie}",
            # The address keeps the EPMD that erl starts here from claiming distwall's as well.
            (
                "connect a peer with its own cookie: ERL_EPMD_ADDRESS=127.0.0.1"
                f' erl -name foo@127.0.0.1 -setcookie "$(cat {peer_cookie})"'
            ),
        ),
        start=1,
    ):
        out.print(Text(f"  {number}. {step}"), soft_wrap=True)


def _cluster_cookie(file: Path) -> tuple[str, bool]:
    """The file to name for the cluster's cookie, and true if it has to be made."""
    if os.access(Path(_ERLANG_COOKIE).expanduser(), os.R_OK):
        return _ERLANG_COOKIE, False
    name = "cluster.cookie"
    return name, not (file.parent / name).exists()


def _fill(text: str, placeholder: str, value: str) -> str:
    """Replaces a placeholder and keeps the comment behind it in its column."""
    before, after = text.split(placeholder)
    padding = len(after) - len(after[1:].lstrip(" ")) - 1
    missing = padding + len(placeholder) - len(value)
    return before + value + after[0] + " " * max(missing, 2) + after[1 + padding :]


def _write_cookie(path: Path) -> None:
    """Makes a cookie as Erlang does: 20 random capital letters. An existing cookie is kept."""
    cookie = "".join(secrets.choice(string.ascii_uppercase) for _ in range(20))
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(fd, "w") as file:
        file.write(cookie)
