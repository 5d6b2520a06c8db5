"""Commands about rules, tables and grants of the running firewall, made from the declared operations."""

from collections.abc import Callable
from inspect import Parameter as Argument
from typing import Annotated, Any

import typer

from distwall.audit.plain_words import places
from distwall.cli.made_parameters import option, with_parameters
from distwall.cli.output import ConfigOption, Output, OutputOption
from distwall.cli.policy_file import given_seconds
from distwall.cli.remote import TokenOption, UrlOption, ask, tell
from distwall.operations import FIREWALL, RELOADER, Parameter, ParameterType

_UNDEFINED = "undefined"
"""The word for no module, as in Erlang."""

_COMMON = (
    ("config", ConfigOption, None),
    ("url", UrlOption, None),
    ("token", TokenOption, None),
    ("output", OutputOption, Output.HUMAN),
)

Values = dict[str, Any]

_SAID: dict[str, Callable[[Values, Values], str]] = {
    "set_filter": lambda given, result: "{node}: {verdict} {command}, before: {previous}".format(**given, **result),
    "add_filter": lambda given, result: "{node}: {verdict} {command} {key}, before: {previous}".format(
        **given, **result
    ),
    "del_filter": lambda given, result: (
        f"{given['node']}: no filter for {_words(given['command'], given['key'])}, before: {result['previous']}"
    ),
    "test_filter": lambda _, result: str(result["verdict"]),
    "set_default_filter": lambda given, result: "defaults: {verdict} {command} {key}, before: {previous}".format(
        **given, **result
    ),
    "set_handler": lambda given, result: (
        f"{given['node']}: {given['command']} is handled by {given['module'] or _UNDEFINED},"
        f" before: {result['previous'] or _UNDEFINED}"
    ),
    "filter": lambda given, result: (
        f"{given['node']}: filtered by {given['module'] or _UNDEFINED}, before: {result['previous'] or _UNDEFINED}"
    ),
    "attach": lambda given, _: "{node}: table {table} is attached".format(**given),
    "detach": lambda given, _: "{node}: table {table} is detached".format(**given),
    "set_table": lambda given, _: f"table {given['table']}: {_rules(given['rules'])}",
    "grant": lambda given, result: f"{given['node']}: table {given['table']} is granted until {result['until']}",
    "revoke": lambda given, result: (
        f"{given['node']}: table {given['table']} is revoked for {places(result['revoked'])}"
        + (f"; it is still granted for {places(result['left'])}" if result["left"] else "")
    ),
    "disconnect": lambda given, result: (
        f"{given['node']}: {result['closed']} {'channel is' if result['closed'] == 1 else 'channels are'} closed"
    ),
    "confirm": lambda _, result: f"revision {result['revision']} stays in force",
    "roll_back": lambda _, result: f"revision {result['revision']} is in force again",
}
"""The line for humans of each command, from the arguments and the result."""


def named(name: str) -> Callable[..., None]:
    """Make the command of an operation, as typer wants it: a function with annotated parameters."""
    (operation,) = [each for each in (*FIREWALL, *RELOADER) if each.name == name]

    def run(**values: Any) -> None:
        given = {parameter.name: _value(parameter, values) for parameter in operation.parameters}
        result = ask(
            lambda client: client.call(operation.name, **given), values["config"], values["url"], values["token"]
        )
        tell(result, values["output"], _SAID[operation.name](given, result))

    arguments = [argument for parameter in operation.parameters for argument in _arguments(parameter)]
    arguments += [option(name, kind, default) for name, kind, default in _COMMON]
    run.__name__ = operation.name
    run.__doc__ = operation.summary.replace("set_filter or add_filter", "set-filter or add-filter")
    return with_parameters(run, arguments)


def _arguments(parameter: Parameter) -> list[Argument]:
    """Return the arguments and options with which a parameter is given."""
    name, meaning, default = parameter.name, parameter.meaning, parameter.default
    if parameter.type is ParameterType.MODULE:
        meaning = f"{meaning.removesuffix('.')}; {_UNDEFINED} {parameter.absent}."
    if parameter.type is ParameterType.RULES:
        again = typer.Option("--from-file", help="Bring back the rules of the policy file.")
        return [
            option(name, Annotated[list[str] | None, typer.Argument(help=meaning, show_default=False)], None),
            option("from_file", Annotated[bool, again], default=False),
        ]
    if parameter.type is ParameterType.FLAG:
        return [option(name, Annotated[bool, typer.Option(f"--{name}", help=meaning)], default)]
    kind: Any = str
    if parameter.type is ParameterType.SECONDS:
        meaning = f"{meaning.removesuffix('.')}; or a span of time, as in 15m or 12h."
    if not parameter.required:
        kind = kind | None
    if parameter.by_name or parameter.type is ParameterType.TEXT:
        return [option(name, Annotated[kind, typer.Option(f"--{name}", help=meaning, show_default=False)], default)]
    return [option(name, Annotated[kind, typer.Argument(help=meaning, show_default=False)], default)]


def _value(parameter: Parameter, values: Values) -> Any:
    """Return the value of a parameter as the API takes it."""
    value = values[parameter.name]
    if parameter.type is ParameterType.MODULE:
        return None if value == _UNDEFINED else value
    if parameter.type is ParameterType.RULES:
        if values["from_file"] and value:
            raise typer.BadParameter("either rules or --from-file")
        return None if values["from_file"] else value or []
    if parameter.type is ParameterType.SECONDS and value is not None:
        return given_seconds(value)
    return value


def _rules(rules: list[str] | None) -> str:
    if rules is None:
        return "as the file has it"
    return f"{len(rules)} {'rule' if len(rules) == 1 else 'rules'}"


def _words(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)
