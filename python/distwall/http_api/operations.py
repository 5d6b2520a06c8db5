"""The functions of the runtime API as calls over HTTP, each with its arguments, its role and its result."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from distwall.http_api.bearer_tokens import Role

NodeField = Annotated[str, Field(description="A peer's name, as in foo@10.0.0.1; it need not be connected.")]
GuardField = Annotated[str | None, Field(description="Only the channels of this guarded node; null: all channels.")]
CommandField = Annotated[str, Field(description="One of the 14 commands; `_`: all.")]
KeyField = Annotated[
    str | Annotated[tuple[str, str, int | str], Field(strict=False)] | None,
    Field(description='The target of the filter: as in rules, or [module, function, arity]; "_" or null: all.'),
]
VerdictField = Annotated[str, Field(description="accept, deny or drop.")]
PersistField = Annotated[bool, Field(description="True if it survives a restart.")]
ModuleField = Annotated[str | None, Field(description="null removes it.")]
TableField = Annotated[str, Field(description="The name of a table.")]


class Body(BaseModel):
    """The arguments of a call."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def is_text(cls, value: Any) -> Any:
        """Raises ValueError for half a surrogate pair, which JSON can spell but nobody can print."""
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half a surrogate pair is not text") from None
        return value


class _OfNode(Body):
    node: NodeField
    guard: GuardField = None


class _Setting(_OfNode):
    persist: PersistField = False


class SetFilter(_Setting):
    """set_filter."""

    command: CommandField
    verdict: VerdictField


class AddFilter(SetFilter):
    """add_filter."""

    key: KeyField


class DelFilter(_OfNode):
    """del_filter, test_filter."""

    command: CommandField
    key: KeyField = None


class SetDefaultFilter(Body):
    """set_default_filter."""

    command: CommandField
    key: KeyField = None
    verdict: VerdictField
    guard: GuardField = None
    persist: PersistField = False


class SetHandler(_Setting):
    """set_handler."""

    command: CommandField
    module: ModuleField


class SetModuleFilter(_Setting):
    """filter."""

    module: ModuleField


class Attach(_Setting):
    """attach, detach."""

    table: TableField


class SetTable(Body):
    """set_table."""

    table: TableField
    rules: Annotated[
        list[str] | None, Field(description="All rules of the table; null brings back the rules of the file.")
    ]
    persist: PersistField = False


class GiveGrant(_OfNode):
    """grant."""

    table: TableField
    seconds: Annotated[float, Field(strict=False)]
    reason: str


class Revoke(_OfNode):
    """revoke."""

    table: TableField


class IssueToken(Body):
    """issue_token."""

    node: NodeField
    table: TableField
    seconds: Annotated[float, Field(strict=False, description="Seconds of access after the token is shown.")]
    reason: str
    valid: Annotated[float, Field(strict=False, description="Seconds within which the token may be shown.")] = 3600


class DisconnectPeer(_OfNode):
    """disconnect."""


class Apply(Body):
    """apply."""

    text: Annotated[str, Field(description="The whole policy, as TOML.")]
    confirm_within: Annotated[
        float | None,
        Field(strict=False, description="Seconds until the previous policy comes back, unless this one is confirmed."),
    ] = None


class SetShadow(Body):
    """set_shadow."""

    text: Annotated[str | None, Field(description="The whole policy, as TOML; null removes the shadow policy.")]


class Nothing(Body):
    """confirm, roll_back."""


@dataclass(frozen=True, slots=True)
class Call:
    """One function."""

    name: str
    role: Role
    body: type[Body]
    doc: str
    result: Callable[[Any], dict[str, Any]]
    """The result, as JSON."""
    acts: bool = True
    """True if the function takes the caller as ``actor``."""
    unrecorded: frozenset[str] = frozenset()
    """Arguments that may hold secrets."""

    def run(self, target: object, body: Body, actor: str) -> dict[str, Any]:
        """Calls the function of ``target``. Raises ControlError."""
        arguments = {name: getattr(body, name) for name in type(body).model_fields}
        if self.acts:
            arguments["actor"] = actor
        return self.result(getattr(target, self.name)(**arguments))

    def recorded(self, body: Body) -> dict[str, Any]:
        """The arguments, for the log."""
        return body.model_dump(exclude_defaults=True, exclude=set(self.unrecorded))


def _previous(value: Any) -> dict[str, Any]:
    return {"previous": value}


def _ok(_: Any) -> dict[str, Any]:
    return {"ok": True}


CALLS = (
    Call(
        "test_filter",
        Role.READ,
        DelFilter,
        "The verdict on such a command of a peer now.",
        lambda verdict: {"verdict": verdict},
        acts=False,
    ),
    Call(
        "set_filter",
        Role.OPERATE,
        SetFilter,
        "Sets the verdict on a command of a peer, for targets without a rule of their own; gives the previous verdict.",
        _previous,
    ),
    Call(
        "add_filter",
        Role.OPERATE,
        AddFilter,
        "Sets the verdict on a command of a peer with that key; gives the previous verdict.",
        _previous,
    ),
    Call(
        "del_filter",
        Role.OPERATE,
        DelFilter,
        "Removes a filter made by set_filter or add_filter; gives the previous verdict.",
        _previous,
    ),
    Call("attach", Role.OPERATE, Attach, "Attaches a table to a peer, behind its other tables.", _ok),
    Call("detach", Role.OPERATE, Attach, "Detaches a table from a peer.", _ok),
    Call(
        "grant",
        Role.OPERATE,
        GiveGrant,
        "Grants a table to a peer for a while; its rules decide before all others. A second grant renews the first.",
        lambda grant: grant.to_json(),
    ),
    Call(
        "issue_token",
        Role.OPERATE,
        IssueToken,
        "Makes a token with which a peer takes a grant by itself, once.",
        lambda token: {"token": token},
    ),
    Call("revoke", Role.OPERATE, Revoke, "Ends a grant before its time.", _ok),
    Call(
        "disconnect",
        Role.OPERATE,
        DisconnectPeer,
        "Ends the channels of a peer; it may connect again.",
        lambda count: {"closed": count},
    ),
    Call(
        "set_default_filter",
        Role.ADMIN,
        SetDefaultFilter,
        "Sets the verdict on commands that no rule of a peer matches; gives the previous default.",
        _previous,
    ),
    Call(
        "set_handler",
        Role.ADMIN,
        SetHandler,
        "Lets a module handle a command of a peer; gives the previous module.",
        _previous,
    ),
    Call(
        "filter",
        Role.ADMIN,
        SetModuleFilter,
        "Lets a module decide about accepted commands of a peer; gives the previous module.",
        _previous,
    ),
    Call(
        "set_table",
        Role.ADMIN,
        SetTable,
        "Sets all rules of a table, at once for all peers with that table.",
        _ok,
    ),
)
"""The functions of the `Firewall` that are called with POST."""

POLICY_CALLS = (
    Call(
        "apply",
        Role.ADMIN,
        Apply,
        "Puts another policy in force, for good or on trial; gives the changes.",
        asdict,
        unrecorded=frozenset({"text"}),
    ),
    Call(
        "confirm", Role.ADMIN, Nothing, "Keeps the policy on trial for good.", lambda revision: {"revision": revision}
    ),
    Call(
        "roll_back",
        Role.ADMIN,
        Nothing,
        "Puts the policy from before the trial back.",
        lambda revision: {"revision": revision},
    ),
    Call(
        "set_shadow",
        Role.ADMIN,
        SetShadow,
        "Adds a shadow policy, which judges without effect; differences are counted and recorded as events.",
        lambda revision: {"revision": revision},
        unrecorded=frozenset({"text"}),
    ),
)
"""The functions of the `Reloader`, called with POST."""
