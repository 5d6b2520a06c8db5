"""The operations of the runtime API, each declared once: its name, parameters, role and result.

The fronts are made from these declarations: bodies and answers over HTTP (``http_api/operation_requests.py``), the
table of functions for Erlang (``api_node/erlang_functions.py``), commands (``cli/made_commands.py``), and tables in
``docs/api.md`` and ``docs/erlang.md`` (``make pages``). The tests hold the methods of ``Firewall`` and ``Reloader`` to
them.
"""

from dataclasses import dataclass, replace
from enum import Enum, IntEnum, auto
from typing import Any


class Role(IntEnum):
    """The rights of a caller; each role has the rights of the roles before it."""

    READ = 1
    OPERATE = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


ROLES = {str(role): role for role in Role}


class ParameterType(Enum):
    """The values of a parameter. Each front has its own spelling for them."""

    NODE = auto()
    COMMAND = auto()
    KEY = auto()
    VERDICT = auto()
    MODULE = auto()
    TABLE = auto()
    RULES = auto()
    SECONDS = auto()
    TEXT = auto()
    POLICY = auto()
    FLAG = auto()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of operations."""

    name: str
    type: ParameterType
    meaning: str
    """A sentence."""
    absent: str | None = None
    """The effect of no value (null in JSON, undefined in Erlang), as a verb with its object; None: it needs a value."""
    default: Any = ...
    """The value if the parameter is left out; ``...``: it can't be left out."""
    by_name: bool = False
    """True if the methods take it by its name only."""
    secret: bool = False
    """True if the value may hold secrets: it is not in the log."""

    @property
    def required(self) -> bool:
        """True if the parameter can't be left out."""
        return self.default is ...


@dataclass(frozen=True, slots=True)
class Result:
    """The result of operations."""

    field: str | None
    """The one field of the answer over HTTP; None: the result has a form of its own as JSON."""
    example: str
    """An answer over HTTP, for the documentation."""
    words: str
    """The result in Erlang, for the documentation."""

    def to_json(self, value: Any) -> dict[str, Any]:
        """Return a result as JSON."""
        if self.field is None:
            return dict(value.to_json())
        return {self.field: True if self is DONE else value}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation."""

    name: str
    role: Role
    summary: str
    """The effect: a sentence that begins with a verb."""
    result: Result
    parameters: tuple[Parameter, ...] = ()
    erlang: bool = True
    """True if Erlang programs can call it."""
    path: str | None = None
    """For operations that only read: the path over HTTP."""

    @property
    def positional(self) -> tuple[Parameter, ...]:
        """The parameters that methods, Erlang functions and commands take by their place."""
        return tuple(parameter for parameter in self.parameters if not parameter.by_name)

    @property
    def is_persistent(self) -> bool:
        """True if the effect can survive a restart."""
        return PERSIST in self.parameters

    @property
    def is_for_guards(self) -> bool:
        """True if it can be for one guarded node. A guarded node that calls it acts for itself alone."""
        return any(parameter.name == GUARD.name for parameter in self.parameters)

    @property
    def acts(self) -> bool:
        """True if the operation changes something: its method takes the caller as ``actor``, and it is on record."""
        return self.role > Role.READ

    def call(self, target: object, arguments: dict[str, Any], actor: str) -> Any:
        """Call the method of ``target``. Raises ControlError."""
        return getattr(target, self.name)(**arguments, **({"actor": actor} if self.acts else {}))


NODE = Parameter("node", ParameterType.NODE, "A peer of an entry, as in foo@10.0.0.1; it need not be connected.")
COMMAND = Parameter("command", ParameterType.COMMAND, "One of the 14 commands; _ for all.")
KEY = Parameter(
    "key",
    ParameterType.KEY,
    "A registered name, or M:F/A for spawn_request; _ for all.",
    absent="stands for all",
)
VERDICT = Parameter("verdict", ParameterType.VERDICT, "accept, deny or drop.")
MODULE = Parameter("module", ParameterType.MODULE, "A module.", absent="removes it")
TABLE = Parameter("table", ParameterType.TABLE, "The name of a table.")
SECONDS = Parameter("seconds", ParameterType.SECONDS, "Seconds until it ends.")
REASON = Parameter("reason", ParameterType.TEXT, "The reason, for the audit log.")
GUARD = Parameter(
    "guard",
    ParameterType.NODE,
    "Only the channels of this guarded node.",
    absent="means all channels",
    default=None,
    by_name=True,
)
PERSIST = Parameter("persist", ParameterType.FLAG, "Keep the setting over a restart.", default=False, by_name=True)
POLICY = Parameter("text", ParameterType.POLICY, "The whole policy, as TOML.", secret=True)

ANY_KEY = replace(KEY, default=None)

VERDICT_NOW = Result("verdict", '`{"verdict": "accept"}`', "the verdict")
PREVIOUS_VERDICT = Result("previous", '`{"previous": "deny"}`', "the previous verdict")
PREVIOUS_MODULE = Result("previous", '`{"previous": null}`', "the previous module, or `undefined`")
DONE = Result("ok", '`{"ok": true}`', "`ok`")
CLOSED = Result("closed", '`{"closed": 1}`', "`ok`")
GRANTED = Result(None, "the grant", "`ok`")
REVOKED = Result(
    None,
    '`{"ok": true, "revoked": [null], "left": []}`: the guarded nodes of the ended grants, and of others that go on;'
    " null for all",
    "`ok`",
)
TOKEN = Result("token", '`{"token": "..."}`', "")
REVISION = Result("revision", '`{"revision": "..."}`', "")
APPLIED = Result(None, '`{"revision": "...", "changes": ["+ ..."], "confirm_within": 60}`', "")
FOUND = Result(None, "", "maps")
COUNTS = Result(None, "", "counts, in the shape of `erlang:statistics(dist)`")
EXPLANATION = Result(None, "", "a map")

FIREWALL = (
    Operation(
        "set_filter",
        Role.OPERATE,
        "Set the verdict on a command of a peer, for targets without a rule of their own.",
        PREVIOUS_VERDICT,
        (NODE, COMMAND, VERDICT, GUARD, PERSIST),
    ),
    Operation(
        "add_filter",
        Role.OPERATE,
        "Set the verdict on a command of a peer with a key.",
        PREVIOUS_VERDICT,
        (NODE, COMMAND, KEY, VERDICT, GUARD, PERSIST),
    ),
    Operation(
        "del_filter",
        Role.OPERATE,
        "Remove a verdict that set_filter or add_filter has set.",
        PREVIOUS_VERDICT,
        (NODE, COMMAND, ANY_KEY, GUARD),
    ),
    Operation(
        "test_filter",
        Role.READ,
        "Show the verdict on a command of a peer now, with run-time settings and grants.",
        VERDICT_NOW,
        (NODE, COMMAND, ANY_KEY, GUARD),
    ),
    Operation(
        "set_default_filter",
        Role.ADMIN,
        "Set the verdict on commands that no rule of a peer matches.",
        PREVIOUS_VERDICT,
        (COMMAND, KEY, VERDICT, GUARD, PERSIST),
    ),
    Operation(
        "set_handler",
        Role.ADMIN,
        "Let a module handle a command of a peer.",
        PREVIOUS_MODULE,
        (NODE, COMMAND, MODULE, GUARD, PERSIST),
    ),
    Operation(
        "filter",
        Role.ADMIN,
        "Let a module decide about accepted commands of a peer.",
        PREVIOUS_MODULE,
        (NODE, MODULE, GUARD, PERSIST),
    ),
    Operation(
        "attach",
        Role.OPERATE,
        "Attach a table to a peer, behind its other tables.",
        DONE,
        (NODE, TABLE, GUARD, PERSIST),
    ),
    Operation("detach", Role.OPERATE, "Detach a table from a peer.", DONE, (NODE, TABLE, GUARD, PERSIST)),
    Operation(
        "set_table",
        Role.ADMIN,
        "Set all rules of a table, at once for every peer with that table.",
        DONE,
        (
            TABLE,
            Parameter(
                "rules",
                ParameterType.RULES,
                "All rules of the table.",
                absent="brings back the rules of the policy file",
            ),
            PERSIST,
        ),
    ),
    Operation(
        "grant",
        Role.OPERATE,
        "Grant a table to a peer for a while; its rules decide before all others.",
        GRANTED,
        (NODE, TABLE, SECONDS, REASON, GUARD),
    ),
    Operation(
        "issue_token",
        Role.OPERATE,
        "Make a token with which a peer grants itself a table, once.",
        TOKEN,
        (
            NODE,
            TABLE,
            replace(SECONDS, meaning="Seconds of the grant, from the use of the token on."),
            REASON,
            Parameter("valid", ParameterType.SECONDS, "Seconds until the token expires.", default=3600, by_name=True),
        ),
        erlang=False,
    ),
    Operation(
        "revoke",
        Role.OPERATE,
        "End the grants of a table to a peer before their time.",
        REVOKED,
        (
            NODE,
            TABLE,
            replace(
                GUARD, meaning="Only the grant for this guarded node.", absent="means the grants for all guarded nodes"
            ),
        ),
    ),
    Operation("disconnect", Role.OPERATE, "End the channels of a peer; it may connect again.", CLOSED, (NODE, GUARD)),
)
"""Operations of the `Firewall`."""

RELOADER = (
    Operation(
        "apply",
        Role.ADMIN,
        "Put another policy in force at once, and write it to the policy file.",
        APPLIED,
        (
            POLICY,
            Parameter(
                "confirm_within",
                ParameterType.SECONDS,
                "On trial: without confirm, the previous policy comes back after so many seconds.",
                absent="means no trial",
                default=None,
                by_name=True,
            ),
        ),
        erlang=False,
    ),
    Operation("confirm", Role.ADMIN, "Keep the policy that is on trial.", REVISION, erlang=False),
    Operation("roll_back", Role.ADMIN, "Put the policy from before the trial back.", REVISION, erlang=False),
    Operation(
        "set_shadow",
        Role.ADMIN,
        "Add a shadow policy, which judges without effect; its different verdicts are counted and recorded.",
        REVISION,
        (replace(POLICY, absent="removes the shadow policy"),),
        erlang=False,
    ),
)
"""Operations of the `Reloader`."""

PEERS = Operation("peers", Role.READ, "List the open channels.", FOUND, (GUARD,), path="peers")
STATISTICS = Operation(
    "statistics",
    Role.READ,
    "Count commands of all peers since the start, by direction, command and verdict.",
    COUNTS,
    (GUARD,),
    path="statistics",
)
PEER_STATISTICS = Operation(
    "statistics",
    Role.READ,
    "Count commands of one peer; zeros for a peer that was never connected.",
    COUNTS,
    (NODE, GUARD),
    path="statistics/{peer:path}",
)
GRANTS = Operation(
    "grants", Role.READ, "List the grants in force, each with its peer, reason, author and end.", FOUND, path="grants"
)
SETTINGS = Operation(
    "settings",
    Role.READ,
    "List settings made at run time, oldest first; `text` has each in one line.",
    FOUND,
    erlang=False,
    path="settings",
)
POLICY_IN_FORCE = Operation(
    "policy",
    Role.READ,
    "Show the policy in force, without cookies; its revision, a trial under way, and the errors of a refused file.",
    FOUND,
    erlang=False,
    path="policy",
)
SHADOW = Operation(
    "shadow",
    Role.READ,
    "Show the revision of the shadow policy, and on how many commands it differed.",
    FOUND,
    erlang=False,
    path="shadow",
)
EXPLAIN = Operation(
    "explain",
    Role.READ,
    "Show which rule decides about a command of a peer, its place in the policy, and the rules that lost against it.",
    EXPLANATION,
    (NODE, COMMAND, ANY_KEY, GUARD),
    path="explain",
)

READERS = (PEERS, STATISTICS, PEER_STATISTICS, GRANTS, SETTINGS, POLICY_IN_FORCE, SHADOW, EXPLAIN)
"""Operations that only read."""
