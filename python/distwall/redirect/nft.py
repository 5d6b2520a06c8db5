"""Loads and removes the rules with the ``nft`` command, each in one transaction of the kernel."""

import os
import shutil
import subprocess

from distwall.redirect.ruleset import REMOVAL

TIMEOUT = 20.0
"""Seconds that ``nft`` may take: it waits while another program changes the packet filter."""

# Where nft is; users other than root often lack these in their PATH.
_PLACES = ("/usr/sbin", "/sbin", "/usr/local/sbin")

# What the kernel says of parts that it lacks: nat in the table's family, or redirect.
_LACKS = (
    "Operation not supported",
    "Protocol not supported",
    "No such file or directory",
    "Address family not supported",
)


class NftError(Exception):
    """``nft`` is missing, or failed. The text is one line: what, and what to do."""


def install(text: str) -> None:
    """Loads the rules in ``text`` (`distwall.redirect.ruleset`). Raises NftError."""
    _run(text, "load")


def remove() -> None:
    """Removes the table, if it exists. Raises NftError."""
    _run(REMOVAL, "remove")


def _run(text: str, verb: str) -> None:
    nft = shutil.which("nft") or shutil.which("nft", path=os.pathsep.join(_PLACES))
    if nft is None:
        raise NftError("nft is not installed; install the package nftables")
    try:
        # The C locale: the texts of errors are looked at below.
        done = subprocess.run(  # noqa: S603
            [nft, "-f", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise NftError(f"{nft}: no end after {TIMEOUT:.0f} s; is another program changing the packet filter?") from None
    except OSError as error:
        raise NftError(f"{nft}: can't be run: {error.strerror}; reinstall the package nftables") from None
    if done.returncode != 0:
        raise NftError(_explain(done.stderr, verb))


def _explain(errors: str, verb: str) -> str:
    first = next((line.strip() for line in errors.splitlines() if line.strip()), "no reason given")
    if "Operation not permitted" in errors or "Permission denied" in errors:
        return f"can't {verb} the rules: not permitted; run this as root, in a container with the capability NET_ADMIN"
    if any(text in errors for text in _LACKS):
        return (
            f"can't {verb} the rules: the kernel lacks nftables' nat ({first});"
            " it needs Linux 5.2 or later with the modules nft_chain_nat and nft_redir"
        )
    return f"can't {verb} the rules: {first}"
