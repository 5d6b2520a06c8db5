"""``distwall policy``: the policy and the settings in force in the running firewall."""

from typing import Any

from rich.text import Text

from distwall.cli.output import ConfigOption, Output, OutputOption, console, print_json
from distwall.cli.remote import TokenOption, UrlOption, ask, warn_of_refusal
from distwall.clock import rfc3339
from distwall.http_api.client import Client


def policy(
    *,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Show the policy in force, a policy on trial, and the settings made at run time.

    Exit code 1: the policy file has errors, and another policy than the file's is in force.
    """
    found = ask(_found, config, url, token)
    if output is Output.JSON:
        print_json(found)
    else:
        for name, value in _rows(found):
            console().print(Text.assemble((f"{name:<8}", "dim"), f"  {value}"), soft_wrap=True)
    warn_of_refusal(found["refused"])


def _found(client: Client) -> dict[str, Any]:
    return {**client.get("policy"), "shadow": client.get("shadow"), "settings": client.get("settings")}


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("file", found["file"]), ("revision", found["revision"])]
    if trial := found["trial"]:
        left = f"{trial['seconds_left']:.0f} s left, then revision {trial['before']} comes back"
        rows.append(("on trial", f"{left}; distwall confirm keeps it"))
    if (shadow := found["shadow"])["revision"]:
        rows.append(("shadow", f"{shadow['revision']}, {shadow['differences']} different decisions"))
    for index, setting in enumerate(found["settings"]):
        at = rfc3339(setting["at"], "seconds")
        kept = ", survives a restart" if setting["persist"] else ""
        by = f"  ({setting['actor'] or 'unknown'}, {at}{kept})"
        rows.append(("" if index else "run time", setting["text"] + by))
    return rows
