"""The declared operations: the methods and the Erlang module are what the declarations say."""

import inspect
import re
from inspect import Parameter
from pathlib import Path

import pytest

import distwall
from distwall.control import Firewall
from distwall.control.reload import Reloader
from distwall.operations import FIREWALL, READERS, RELOADER, Operation

MODULE = Path(distwall.__file__).parent / "erlang" / "distwall.erl"
METHODS = [(Firewall, each) for each in FIREWALL] + [(Reloader, each) for each in RELOADER]


@pytest.mark.parametrize(("owner", "operation"), METHODS, ids=lambda each: getattr(each, "name", ""))
def test_a_method_takes_what_its_operation_declares(owner: type, operation: Operation) -> None:
    _, *given = inspect.signature(getattr(owner, operation.name)).parameters.values()
    positional = [each.name for each in given if each.kind is Parameter.POSITIONAL_OR_KEYWORD]
    assert positional == [each.name for each in operation.positional]
    by_name = {each.name for each in given if each.kind is Parameter.KEYWORD_ONLY} - {"why"}
    declared = {each.name for each in operation.parameters if each.by_name}
    assert by_name == (declared | {"actor"} if operation.acts else declared)
    defaults = {each.name: each.default for each in given if each.default is not Parameter.empty}
    assert {each.name: each.default for each in operation.parameters if not each.required}.items() <= defaults.items()
    assert not defaults.keys() & {each.name for each in operation.parameters if each.required}


def test_the_erlang_module_has_the_declared_functions() -> None:
    exported = re.findall(
        r"(\w+)/(\d+)", "".join(re.findall(r"^-export\(\[(.*)\]\)\.$", MODULE.read_text(), re.MULTILINE))
    )
    declared = set()
    for operation in (*FIREWALL, *READERS):
        if operation.erlang:
            arity = len(operation.positional)
            declared |= {(operation.name, arity), (operation.name, arity + operation.is_persistent)}
    # One formats errors for the shell, the others are for distwall's own modules.
    own = {("format_error", 2), ("reached", 0), ("flagged", 0)}
    assert {(name, int(arity)) for name, arity in exported} == declared | own


def test_what_may_hold_secrets_is_declared_so() -> None:
    secret = {(each.name, parameter.name) for each in RELOADER for parameter in each.parameters if parameter.secret}
    assert secret == {("apply", "text"), ("set_shadow", "text")}
