"""docs/services, one page for each service, from python/distwall/policy/language/services.toml."""

import tomllib
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
DATA = TOP / "python/distwall/policy/language/services.toml"
PAGES = TOP / "docs/services"
MARK = "<!-- Made by `make pages` from python/distwall/policy/language/services.toml. -->\n"


def usage(name: str, service: dict[str, Any]) -> str:
    """Return the service as a rule names it: `pg [SCOPE]`."""
    if "argument" not in service:
        return name
    return f"{name} [{service['argument']}]" if "default" in service else f"{name} {service['argument']}"


def page(name: str, service: dict[str, Any]) -> str:
    """Return the page of one service."""
    example = "\n".join(service["example"])
    rows = "\n".join(
        f"| `{filter_['rule'].replace('|', chr(92) + '|')}` | {filter_['otp']} | {filter_['why']} |"
        for filter_ in service["filters"]
    )
    default = f"\nWithout an argument, {service['argument']} is `{service['default']}`." if "default" in service else ""
    return f"""{MARK}# {name}

`accept {usage(name, service)}`: {service["summary"]}.

```rules
{example}
```

## What it opens

{service["opens"].strip()}

The service is the same as these rules, each with the verdict of the rule that names the service.{default}

| rule | OTP | for |
| --- | --- | --- |
{rows}

## What an attacker could do with it

{service["danger"].strip()}
"""


def index(services: dict[str, dict[str, Any]]) -> str:
    """Return the page that lists them all."""
    rows = "\n".join(
        f"| [`{usage(name, service)}`]({name}.md) | {service['summary']} | {releases(service)} |"
        for name, service in sorted(services.items())
    )
    return f"""{MARK}# Services

A service is a named bundle of rules for one protocol of OTP or Elixir, with the shapes of its messages.
A policy with `accept pg` stays right when a release of OTP changes the messages of `pg`.
Each page says what its service opens, and what a hostile peer could do with it.

A service opens messages from a *peer*.
The guarded node's own calls need no rule: their answers pass (see [rules](../rules.md#answer)).

| service | for | OTP |
| --- | --- | --- |
{rows}
"""


def releases(service: dict[str, Any]) -> str:
    """Return the range of OTP releases covered by the filters of the service."""
    numbers = [int(number) for filter_ in service["filters"] for number in filter_["otp"].split("-")]
    return f"{min(numbers)}-{max(numbers)}"


def pages() -> dict[str, str]:
    """Return the text of each page by its name."""
    services = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return {"README.md": index(services)} | {f"{name}.md": page(name, service) for name, service in services.items()}


def write() -> None:
    """Write all pages, and remove pages of services that are gone."""
    made = pages()
    for path in PAGES.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (PAGES / name).write_text(text, encoding="utf-8")
