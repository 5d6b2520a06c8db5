"""The runtime API: rules, tables, grants and handlers, changed while distwall runs."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from distwall._core import COMMANDS
from distwall.audit import AuditLog
from distwall.control.access_tokens import AccessTokens
from distwall.control.channel import ChannelHandle, PeerInfo
from distwall.control.channels import Channels, disturbs
from distwall.control.diff import difference
from distwall.control.errors import BadCallError, ControlError, NotFoundError
from distwall.control.grants import MAX_SECONDS, Grant
from distwall.control.handler_dispatch import HandlerDispatch
from distwall.control.on_loop_thread import on_loop_thread
from distwall.control.runtime_settings import Kind, RuntimeSetting
from distwall.control.state_file import StateFile
from distwall.control.statistics import Statistics
from distwall.handlers.loader import UnloadableError
from distwall.policy import Explanation, Policy, Question, QuestionError, Rule, explain
from distwall.policy.language.grammar import VERDICTS, Verdict
from distwall.policy.language.names import atom
from distwall.policy.language.ranking import Ranking, rank
from distwall.policy.language.times import utc_now

if TYPE_CHECKING:
    from distwall._core import Ask

GivenKey = str | tuple[str, str, int | str] | None
"""Whom a filter is about: text as rules write it; module, function and arity, each of which may be ``_``; or None, as
``"_"``: all."""

HANDLED = ("alias_send", "group_leader", "reg_send", "send", "spawn_request")
"""The commands that can have a handler."""

TOKEN_KEY = "distwall-token.key"  # noqa: S105
"""The file of the key for access tokens, beside the state file."""

CLOCK_CHECK = 1.0
"""Seconds between two looks at the wall clock while anything is granted, or has an end."""


class Firewall(Channels):
    """One distwall: its channels, and the API that changes how they are judged.

    The API may be called from any thread and any task; it speaks of nodes whether they are connected or not. ``guard``
    narrows a call to the channels of one guarded node, ``actor`` is who calls, for the audit log, ``persist`` makes a
    setting outlive this process. Calls raise ControlError, and then have changed nothing.
    """

    def __init__(self, policy: Policy, audit: AuditLog, state: StateFile | None = None) -> None:
        """``state`` keeps what is to outlive the process; None: nothing does. Raises UnsafeStateError."""
        super().__init__(policy, audit)
        self.dispatch = HandlerDispatch(self)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread = threading.get_ident()
        self._state = state
        self._clock_timer: asyncio.TimerHandle | None = None
        self._rules_end = self.rulebook.next_expiry(utc_now())
        # Of channels that have ended; less what open ones had counted when the candidate came.
        self._differences = 0
        self._tokens = AccessTokens(policy.control.state.with_name(TOKEN_KEY))
        if state is not None:
            self._restore(state)

    def start(self) -> None:
        """The running event loop is this object's home from now on."""
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self._watch_clock()

    def asked(self, handle: ChannelHandle, asks: "list[Ask]") -> None:
        """Commands wait for answers."""
        self.dispatch.put(handle, asks)

    def close(self) -> None:
        """Records what is still held back. The channels are the gateway's to close."""
        if self._clock_timer:
            self._clock_timer.cancel()
            self._clock_timer = None
        self.dispatch.close()
        super().close()

    @on_loop_thread
    def peers(self, guard: str | None = None) -> list[PeerInfo]:
        """The open channels, by peer and guarded node."""
        channels = [handle for handle in self._channels if guard in (None, handle.guard)]
        return [self._info(handle) for handle in sorted(channels, key=lambda h: (h.peer, h.guard, h.since))]

    @on_loop_thread
    def statistics(self, node: str | None = None) -> Statistics:
        """Commands counted by direction, command and verdict since the start: all 14, for one peer or for all."""
        return self._counters.statistics(node)

    @on_loop_thread
    def explain(self, node: str, command: str, key: GivenKey = None, *, guard: str | None = None) -> Explanation:
        """Which rule decides about a command of a peer, and why."""
        entry = self.policy.entry_for(node, guard)
        ranked = None if entry is None else self.rulebook.ranked(entry, node, guard)
        try:
            return explain(self.policy, node, Question(command, _key_text(key) or None), guard, ranked=ranked)
        except QuestionError as error:
            raise BadCallError(str(error)) from None

    @on_loop_thread
    def test_filter(self, node: str, command: str, key: GivenKey = None, *, guard: str | None = None) -> Verdict:
        """What becomes of such a command of a peer now. A node that no entry names can't even connect: ``deny``.

        Of a key that stands for many, or of ``_`` for all commands: what is said where no rule names one of them.
        """
        made = self.rulebook.parse(f"deny {_rule_text(command, key)}", "run time")
        said = made.statement
        many = said.scope or said.pattern or any(part.kind in ("prefix", "any") for part in said.key or ())
        if not many and said.command in (*COMMANDS, "otp_internal"):
            return self.explain(node, command, key, guard=guard).verdict
        entry = self.policy.entry_for(_node(node), guard)
        return "deny" if entry is None else _said(self.rulebook.ranked(entry, node, guard), made)

    @on_loop_thread
    def set_filter(
        self,
        node: str,
        command: str,
        verdict: str,
        *,
        guard: str | None = None,
        actor: str = "",
        persist: bool = False,
    ) -> Verdict:
        """Sets the verdict on a command of a peer, where no rule with a key decides; returns the one before."""
        return self.add_filter(node, command, None, verdict, guard=guard, actor=actor, persist=persist)

    @on_loop_thread
    def add_filter(
        self,
        node: str,
        command: str,
        key: GivenKey,
        verdict: str,
        *,
        guard: str | None = None,
        actor: str = "",
        persist: bool = False,
    ) -> Verdict:
        """Sets the verdict on a command of a peer with that key; returns the one before."""
        before = self.test_filter(node, command, key, guard=guard)
        setting = self._filter("filter", command, key, verdict, node=node, guard=guard, actor=actor, persist=persist)
        self._set(setting)
        return before

    @on_loop_thread
    def del_filter(
        self, node: str, command: str, key: GivenKey = None, *, guard: str | None = None, actor: str = ""
    ) -> Verdict:
        """Removes what `set_filter` and `add_filter` have set; returns the verdict that held. Files are not touched."""
        before = self.test_filter(node, command, key, guard=guard)
        self._unset(self._filter("filter", command, key, "deny", node=node, guard=guard), actor)
        return before

    @on_loop_thread
    def set_default_filter(
        self,
        command: str,
        key: GivenKey,
        verdict: str,
        *,
        guard: str | None = None,
        actor: str = "",
        persist: bool = False,
    ) -> Verdict:
        """Sets the verdict where nothing that is attached to a peer speaks; returns the default before."""
        setting = self._filter("default_filter", command, key, verdict, node=None, guard=guard, actor=actor)
        before = self._default(setting)
        self._set(replace(setting, persist=persist))
        return before

    @on_loop_thread
    def set_handler(
        self,
        node: str,
        command: str,
        module: str | None,
        *,
        guard: str | None = None,
        actor: str = "",
        persist: bool = False,
    ) -> str | None:
        """Has a module handle a command of a peer; None: no more. Returns the one before, or None."""
        if command not in HANDLED:
            raise BadCallError(f"no handlers for `{command}`; there are handlers for {', '.join(HANDLED)}")
        self._load(module)
        return self._module("handler", node, module, guard=guard, actor=actor, persist=persist, command=command)

    @on_loop_thread
    def filter(
        self,
        node: str,
        module: str | None,
        *,
        guard: str | None = None,
        actor: str = "",
        persist: bool = False,
    ) -> str | None:
        """Has a module decide about what a peer's filters accept; None: no more. Returns the one before, or None."""
        self._load(module)
        return self._module("module_filter", node, module, guard=guard, actor=actor, persist=persist)

    @on_loop_thread
    def attach(
        self, node: str, table: str, *, guard: str | None = None, actor: str = "", persist: bool = False
    ) -> None:
        """Attaches a table to a peer, behind those that are attached. A change of the table reaches all its peers."""
        self.rulebook.table(table)
        self._set(self._setting("attach", actor, persist, node=_node(node), guard=guard, name=table))

    @on_loop_thread
    def detach(
        self, node: str, table: str, *, guard: str | None = None, actor: str = "", persist: bool = False
    ) -> None:
        """Detaches a table from a peer, whether the file or `attach` has attached it."""
        self.rulebook.table(table)
        self._set(self._setting("detach", actor, persist, node=_node(node), guard=guard, name=table))

    @on_loop_thread
    def set_table(self, table: str, rules: Sequence[str] | None, *, actor: str = "", persist: bool = False) -> None:
        """Sets all rules of a table, a new one or one of the file's; None: as the file has it again."""
        setting = self._setting("table", actor, persist, name=table, rules=tuple(rules or ()))
        if rules is None:
            self._unset(setting, actor)
            return
        made = [self.rulebook.parse(text, f"table {table}") for text in setting.rules]
        for index, rule in enumerate(made):
            if any(rule.identity == earlier.identity for earlier in made[:index]):
                raise BadCallError(f"`{rule.text}` judges the same as a rule before it; keep one of them")
        self._set(setting)

    @on_loop_thread
    def grant(
        self, node: str, table: str, seconds: float, reason: str, *, guard: str | None = None, actor: str = ""
    ) -> Grant:
        """Grants a table to a peer for a while, above all else that is attached to it; again: renews it.

        Grants outlive a restart, so one that can't be saved isn't given.
        """
        self._grantable(table, seconds, reason)
        grants = self.rulebook.grants
        before = grants.get(_node(node), table, guard)
        given = grants.give(
            node,
            table,
            guard=guard,
            seconds=seconds,
            reason=reason,
            actor=actor,
            wall=time.time(),
            monotonic=time.monotonic(),
        )
        try:
            self._save()
        except ControlError:
            grants.take_back(node, table, guard)
            if before is not None:
                grants.put_back(before)
            raise
        self._refresh()
        self._watch_clock()
        self.record("grant", renewed=before is not None, **given.to_json())
        return given

    @on_loop_thread
    def issue_token(
        self, node: str, table: str, seconds: float, reason: str, *, valid: float = 3600, actor: str = ""
    ) -> str:
        """A token with which a peer itself takes `grant`'s place, once, within ``valid`` seconds (see `own_name`)."""
        self._grantable(table, seconds, reason)
        token = self._tokens.issue(_node(node), table, seconds, reason, actor=actor, valid=valid)
        self.record("token_issued", node=node, table=table, seconds=seconds, reason=reason, actor=actor)
        return token

    @on_loop_thread
    def redeem(self, node: str, token: str, *, guard: str | None = None) -> Grant:
        """Takes a token that a peer has shown. Raises TokenError if it doesn't hold for that peer, or not any more."""
        access = self._tokens.read(node, token)
        # With the grant, it is saved that it was used.
        self._tokens.use(access)
        try:
            return self.grant(
                node,
                access.table,
                access.seconds,
                access.reason,
                guard=guard,
                actor=f"token of {access.issued_by or 'an operator'}",
            )
        except ControlError:
            self._tokens.unuse(access)
            raise

    @on_loop_thread
    def revoke(self, node: str, table: str, *, guard: str | None = None, actor: str = "") -> None:
        """Ends a grant before its time."""
        ended = self.rulebook.grants.take_back(node, table, guard)
        if ended is None:
            raise NotFoundError(f"no grant of `{table}` to {node}; see distwall grants")
        self._refresh()
        self.record("grant_revoked", by=actor, **ended.to_json())
        self._save()

    @on_loop_thread
    def grants(self) -> list[Grant]:
        """The grants in force."""
        self._expire()
        return list(self.rulebook.grants)

    @on_loop_thread
    def settings(self) -> list[RuntimeSetting]:
        """What was set at run time, oldest first."""
        return list(self.rulebook.run_time)

    @on_loop_thread
    def disconnect(self, node: str, *, guard: str | None = None, actor: str = "") -> int:
        """Ends the channels of a peer; returns how many. It may connect again."""
        ended = [handle for handle in self._channels if handle.peer == node and guard in (None, handle.guard)]
        if not ended:
            raise NotFoundError(f"{node} is not connected; see distwall peers")
        for handle in ended:
            handle.close(f"disconnected by {actor or 'the operator'}")
        return len(ended)

    @on_loop_thread
    def set_shadow(self, policy: Policy | None, *, actor: str = "") -> None:
        """Has a candidate judge beside the policy: what it would decide otherwise is told. None: no more."""
        self._differences -= self.shadow_differences()
        self.rulebook.shadow = policy
        self._refresh()
        self.record("shadow_changed", actor=actor, revision=None if policy is None else policy.revision)

    @on_loop_thread
    def shadow(self) -> str | None:
        """The revision of the candidate that judges beside the policy."""
        candidate = self.rulebook.shadow
        return None if candidate is None else candidate.revision

    @on_loop_thread
    def shadow_differences(self) -> int:
        """How many commands the candidate would have decided otherwise, since it was set."""
        return self._differences + sum(handle.core.shadow_differences() for handle in self._channels)

    def forget(self, handle: ChannelHandle) -> None:
        """A channel has ended (the handle calls this)."""
        self._differences += handle.core.shadow_differences()
        super().forget(handle)

    @on_loop_thread
    def apply(self, policy: Policy, *, actor: str = "") -> list[str]:
        """Puts another policy file in force, at once for all channels; returns what changes.

        Channels whose peers could not have connected so are closed. Raises ControlError for a change that takes a
        restart.
        """
        for name in ("guard", "control", "audit"):
            if getattr(policy, name) != getattr(self.policy, name):
                raise ControlError(f"{policy.path}: [{name}] has changed; restart distwall to change where it stands")
        changes = difference(self.policy, policy)
        rulebook = self.rulebook
        before, rulebook.policy = rulebook.policy, policy
        rulebook.changed()
        try:
            rulebook.check()
        except ControlError:
            rulebook.policy = before
            rulebook.changed()
            raise
        for handle in list(self._channels):
            now = policy.entry_for(handle.peer, handle.guard)
            why = "no entry names it any more" if now is None else disturbs(handle.entry, now, handle.source)
            if now is None or why is not None:
                handle.close(f"the policy has changed: {why}")
            else:
                handle.entry = now
        self._refresh()
        if changes:
            self.record("policy_changed", actor=actor, policy=str(policy.path), changes=changes)
        return changes

    def _setting(self, kind: Kind, actor: str, persist: bool, **about: Any) -> RuntimeSetting:
        return RuntimeSetting(kind, actor, round(time.time(), 3), persist, **about)

    def _filter(
        self,
        kind: Kind,
        command: str,
        key: GivenKey,
        verdict: str,
        *,
        node: str | None,
        guard: str | None,
        actor: str = "",
        persist: bool = False,
    ) -> RuntimeSetting:
        if verdict not in VERDICTS:
            raise BadCallError(f"unknown verdict `{verdict}`; write accept, deny or drop")
        text = _rule_text(command, key)
        about = None if node is None else _node(node)
        made = self.rulebook.parse(f"{VERDICTS[verdict]} {text}", "run time")
        for known in self.rulebook.run_time:
            if (known.kind, known.node, known.guard) != (kind, about, guard) or known.rule is None:
                continue
            # The same may be spelled in other ways.
            if self.rulebook.parse(f"{known.verdict} {known.rule}", "run time").identity == made.identity:
                text = known.rule
        return self._setting(kind, actor, persist, node=about, guard=guard, rule=text, verdict=VERDICTS[verdict])

    def _load(self, module: str | None) -> None:
        """Loads a handler or filter of Python's now, so that what is wrong with it is told to who names it."""
        if module is not None and ":" in module:
            try:
                self.dispatch.load(module)
            except UnloadableError as error:
                raise BadCallError(str(error)) from None

    def _module(self, kind: Kind, node: str, module: str | None, **about: Any) -> str | None:
        actor, persist = about.pop("actor"), about.pop("persist")
        setting = self._setting(kind, actor, persist, node=_node(node), name=module, **about)
        known = next((s for s in self.rulebook.run_time if s.about == setting.about), None)
        if module is None:
            self._unset(setting, actor)
        else:
            self._set(setting)
        return None if known is None else known.name

    def _default(self, setting: RuntimeSetting) -> Verdict:
        """What the defaults say of all that a setting is about."""
        made = self.rulebook.parse(f"deny {setting.rule}", "run time")
        return _said(rank([], self.rulebook.defaults(setting.guard)), made)

    def _set(self, setting: RuntimeSetting) -> None:
        run_time = self.rulebook.run_time
        before = run_time.put(setting)
        try:
            if setting.persist or (before is not None and before.persist):
                self._save()
            self._refresh()
        except ControlError:
            run_time.put_back(setting.about, before)
            self._refresh()
            raise
        self.record("setting", actor=setting.actor, set=str(setting), persist=setting.persist)

    def _unset(self, setting: RuntimeSetting, actor: str) -> None:
        before = self.rulebook.run_time.remove(setting.about)
        if before is None:
            return
        try:
            self.rulebook.check()
            if before.persist:
                self._save()
            self._refresh()
        except ControlError:
            self.rulebook.run_time.put_back(setting.about, before)
            self._refresh()
            raise
        self.record("setting", actor=actor, unset=str(before), persist=before.persist)

    def _grantable(self, table: str, seconds: float, reason: str) -> None:
        self.rulebook.table(table)
        if not 0 < seconds <= MAX_SECONDS:
            raise BadCallError(f"{seconds:g} seconds; grant more than 0 and at most {MAX_SECONDS} seconds")
        if not reason.strip():
            raise BadCallError("a grant without a reason; say why, for the audit log")

    def _save(self) -> None:
        if self._state is not None:
            self._state.save(self.rulebook.run_time.persistent(), self.rulebook.grants, self._tokens.used(time.time()))

    def _restore(self, state: StateFile) -> None:
        settings, grants, used = state.load()
        self._tokens.restore(used)
        for setting in settings:
            self.rulebook.run_time.put(setting)
        wall, monotonic = time.time(), time.monotonic()
        for grant in grants:
            if not self.rulebook.grants.restore(grant, wall, monotonic):
                self.record("grant_expired", **grant.to_json())

    def _expire(self) -> None:
        over = self.rulebook.grants.expire(time.time(), time.monotonic())
        if not over:
            return
        self._refresh()
        for grant in over:
            self.record("grant_expired", **grant.to_json())
        try:
            self._save()
        except ControlError as error:
            # It will be found to have expired by whoever reads it.
            self.record("state_trouble", detail=str(error))

    def _watch_clock(self) -> None:
        """Ends grants and rules in time. The wall clock may be turned meanwhile, so it is looked at again and again."""
        if self._clock_timer is not None:
            self._clock_timer.cancel()
            self._clock_timer = None
        if self.loop is None:
            return
        self._expire()
        if self._rules_end is not None and self._rules_end <= utc_now():
            self._refresh()
        left = self.rulebook.grants.next_end(time.time(), time.monotonic())
        if left is not None or self._rules_end is not None:
            seconds = CLOCK_CHECK if left is None else min(left + 0.002, CLOCK_CHECK)
            self._clock_timer = self.loop.call_later(seconds, self._watch_clock)

    def _refresh(self) -> None:
        super()._refresh()
        self._rules_end = self.rulebook.next_expiry(utc_now())
        if self._rules_end is not None and self._clock_timer is None and self.loop is not None:
            self._clock_timer = self.loop.call_later(CLOCK_CHECK, self._watch_clock)


def _node(name: str) -> str:
    alive, at, host = name.partition("@")
    if not (alive and at and host) or "@" in host or "*" in name or not name.isprintable():
        raise BadCallError(f"`{name}` is not the name of a node; write NAME@HOST")
    return name


def _said(ranked: Ranking, rule: Rule) -> Verdict:
    """The verdict on all that a rule speaks of."""
    found = next((ranked.covering(each) for each in rule.filters()), None)
    return "deny" if found is None else found.rule.verdict


def _rule_text(command: str, key: GivenKey) -> str:
    """A rule as the grammar writes it, without its verdict."""
    return " ".join(filter(None, ("*" if command == "_" else command, _key_text(key))))


def _key_text(key: GivenKey) -> str:
    """A key as rules write it; empty for all."""
    if key is None or key == "_":
        return ""
    if isinstance(key, str):
        return key
    module, function, arity = ("_" if part == "_" else part for part in key)
    names = [name if name == "_" else atom(str(name)) for name in (module, function)]
    return f"{names[0]}:{names[1]}/{arity}"
