"""The tables of operations in docs/api.md and docs/erlang.md, made from their declarations."""

from pathlib import Path

from distwall.operations import FIREWALL, READERS, RELOADER, Operation, Parameter, Role
from tools.tables import filled, table

DOCS = Path(__file__).resolve().parents[1] / "docs"


def api_page() -> str:
    """Return docs/api.md with new tables."""
    return filled(DOCS / "api.md", {"roles": _roles, "functions": _functions, "readers": _readers})


def erlang_page() -> str:
    """Return docs/erlang.md with a new table."""
    return filled(DOCS / "erlang.md", {"functions": _erlang_functions})


def _roles() -> str:
    rows = []
    for role in Role:
        names = ", ".join(f"`{each.name}`" for each in (*FIREWALL, *RELOADER) if each.role is role)
        rest = "`GET` everything, the live events included; " if role is Role.READ else "also "
        rows.append((f"`{role}`", rest + names))
    return table(("role", "may"), rows, figures=False)


def _functions() -> str:
    rows = (
        (" ".join([f"`{each.name}`", *map(_argument, each.parameters)]), _effect(each), each.result.example)
        for each in (*FIREWALL, *RELOADER)
    )
    return table(("function and arguments", "effect", "answer"), rows, figures=False)


def _readers() -> str:
    rows = ((f"`/v1/{_path(each)}`", _effect(each)) for each in READERS)
    return table(("`GET`", "answer"), rows, figures=False)


def _erlang_functions() -> str:
    rows = (
        (f"`{_call(each)}`", _effect(each), each.result.words, "yes" if each.is_persistent else "")
        for each in (*FIREWALL, *READERS)
        if each.erlang
    )
    return table(("function", "effect", "returns", "`[persist]`"), rows, figures=False)


def _argument(parameter: Parameter) -> str:
    return f"`{parameter.name}`" if parameter.required else f"\\[`{parameter.name}`\\]"


def _path(operation: Operation) -> str:
    path = str(operation.path).replace("{peer:path}", "PEER")
    query = "" if "PEER" in path else "&".join(f"{each.name}=..." for each in operation.parameters)
    return f"{path}?{query}" if query else path


def _call(operation: Operation) -> str:
    return f"{operation.name}({', '.join(each.name.capitalize() for each in operation.positional)})"


def _effect(operation: Operation) -> str:
    return operation.summary.removesuffix(".").replace("set_filter or add_filter", "`set_filter` or `add_filter`")
