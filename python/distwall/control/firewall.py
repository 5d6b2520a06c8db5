"""The runtime API: rules, tables, grants and handlers, changed while distwall runs."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from distwall._core import COMMANDS, Ask, print_atom
from distwall.audit.log import AuditLog
from distwall.audit.plain_words import places
from distwall.audit.schema import (
    GrantExpired,
    GrantGiven,
    GrantRevoked,
    PolicyChanged,
    Setting,
    ShadowChanged,
    StateTrouble,
    TokenIssued,
)
from distwall.control.access_tokens import AccessTokens
from distwall.control.channel import ChannelHandle, PeerInfo, key_of
from distwall.control.channels import Channels, disturbs
from distwall.control.diff import difference, needs_restart
from distwall.control.errors import BadCallError, ControlError, NotFoundError, UnsafeStateError
from distwall.control.evaluated_calls import CallVerdict, EvaluatedCalls, Extent
from distwall.control.grants import MAX_SECONDS, Grant, Revoked, party_digest
from distwall.control.handler_dispatch import HandlerDispatch
from distwall.control.named_entries import named_entries, party_of
from distwall.control.on_loop_thread import on_loop_thread
from distwall.control.runtime_settings import GivenKey, Kind, RuntimeSetting
from distwall.control.state_file import StateFile
from distwall.control.statistics import Statistics
from distwall.control.wall_clock import WallClock
from distwall.handlers.loader import UnloadableError
from distwall.policy import Entry, Explanation, Policy, Question, QuestionError, Rule, explain
from distwall.policy.language.grammar import VERDICTS, Verdict
from distwall.policy.language.names import key_text, node_fault
from distwall.policy.language.ranking import Ranking, rank

HANDLED = ("alias_send", "group_leader", "reg_send", "send", "spawn_request")
"""Commands that can have a handler."""

CLOCK_CHECK = 1.0
"""Seconds between two looks at the wall clock while a grant or a rule with an end is in force."""


RETRY_SAVE = 1.0
"""Seconds until distwall tries again to save that a grant was revoked."""

NOTE_TIME = 60.0
"""Seconds after which the time is saved again, while a grant or a rule with an end is in force."""


class Firewall(Channels):
    """One distwall: its channels, and the API that changes their rules.

    The API may be called from any thread and any task. Nodes need not be connected. ``guard`` narrows a call to the
    channels of one guarded node. ``actor`` is the caller, for the audit log. ``persist`` makes a setting survive a
    restart. A call that raises ControlError has changed nothing.
    """

    def __init__(self, policy: Policy, audit: AuditLog, state: StateFile | None = None) -> None:
        """``state`` saves settings that survive a restart; None: there is no such file. Raises UnsafeStateError."""
        super().__init__(policy, audit)
        self.dispatch = HandlerDispatch(self)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread = threading.get_ident()
        self._state = state
        self._clock_timer: asyncio.TimerHandle | None = None
        self._noted = 0.0
        # Nodes and tables whose grants were revoked since the state was saved.
        self._unsaved: set[tuple[str, str]] = set()
        self._save_timer: asyncio.TimerHandle | None = None
        # Of channels that have ended; less what open ones had counted when the shadow policy was set.
        self._differences = 0
        self._tokens = AccessTokens()
        self._parties: dict[tuple[object, ...], str] = {}
        self._evaluated = EvaluatedCalls(self, self.record_of)
        if state is not None:
            self._restore(state)
        self._rules_end = self.rulebook.next_expiry(self.clock.utc())

    def start(self) -> None:
        """Makes the running event loop this object's home."""
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self._note_time()
        if self._unsaved:
            self._save_later()
        self._watch_clock()

    @property
    def clock(self) -> WallClock:
        """The time by which rules, grants and tokens end."""
        return self.rulebook.clock

    def asked(self, handle: ChannelHandle, asks: list[Ask]) -> None:
        """Takes questions of commands that wait for answers."""
        self.dispatch.put(handle, asks)

    def close(self) -> None:
        """Records all folded events. The gateway closes the channels."""
        if self._clock_timer:
            self._clock_timer.cancel()
            self._clock_timer = None
        if self._save_timer:
            self._save_timer.cancel()
            self._save_again()
            self._save_timer = None
        self.dispatch.close()
        self._note_time()
        super().close()

    @on_loop_thread
    def peers(self, guard: str | None = None) -> list[PeerInfo]:
        """The open channels, by peer and guarded node."""
        channels = [handle for handle in self._channels if guard in (None, handle.guard)]
        return [self._info(handle) for handle in sorted(channels, key=lambda h: (h.peer, h.guard, h.since))]

    @on_loop_thread
    def statistics(self, node: str | None = None, *, guard: str | None = None) -> Statistics:
        """Commands counted by direction, command and verdict since the start: all 14, of one peer or of all."""
        return self._counters.statistics(node, guard)

    @on_loop_thread
    def explain(self, node: str, command: str, key: GivenKey = None, *, guard: str | None = None) -> Explanation:
        """Explains the verdict on a command of a peer: the rule that decides, and the reason."""
        return self._explain(node, Question(command, _key_text(key) or None), guard)

    @on_loop_thread
    def judge_call(self, peer: str, call: tuple[str, str, int], extent: Extent, guard: str) -> CallVerdict:
        """The verdict on a call that a guarded node evaluates for a peer (see `evaluated_calls`)."""
        return self._evaluated.judge(peer, call, extent, guard)

    def _explain(self, node: str, question: Question, guard: str | None) -> Explanation:
        entry = self.policy.entry_for(node, guard)
        rule_set = None if entry is None else self.rulebook.rule_set(entry, node, guard)
        try:
            return explain(self.policy, node, question, guard, rule_set=rule_set, now=self.clock.utc())
        except QuestionError as error:
            raise BadCallError(str(error)) from None

    @on_loop_thread
    def test_filter(self, node: str, command: str, key: GivenKey = None, *, guard: str | None = None) -> Verdict:
        """The verdict on a command of a peer now. A node without an entry can't even connect: ``deny``.

        For a key with many targets, or ``_`` for all commands, it is the verdict on targets that no rule names.
        """
        made = self.rulebook.read(f"deny {_rule_text(command, key)}", "run time")
        said = made.statement
        many = said.pattern or any(part.kind in ("prefix", "any") for part in said.key or ())
        if not many and said.command in (*COMMANDS, "otp_internal", "call"):
            text = None if said.key is None else key_text(said.key)
            return self._explain(node, Question(said.command, text, said.scope), guard).verdict
        # The judge judges one command: of many, the rules are asked which of them covers all.
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
        """Sets the verdict on a command of a peer, for targets without a rule of their own.

        Returns the previous verdict.
        """
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
        """Sets the verdict on a command of a peer with that key; returns the previous verdict."""
        before = self.test_filter(node, command, key, guard=guard)
        setting = self._filter("filter", command, key, verdict, node=node, guard=guard, actor=actor, persist=persist)
        named_entries(self.policy, node, guard)
        self._set(setting)
        return before

    @on_loop_thread
    def del_filter(
        self, node: str, command: str, key: GivenKey = None, *, guard: str | None = None, actor: str = ""
    ) -> Verdict:
        """Removes a filter made by `set_filter` or `add_filter`; returns the previous verdict.

        The policy file is not changed.
        """
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
        """Sets the verdict on commands that no rule of a peer matches; returns the previous default."""
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
        """Lets a module handle a command of a peer; None removes it. Returns the previous module, or None."""
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
        """Lets a module decide about accepted commands of a peer; None removes it.

        Returns the previous module, or None.
        """
        self._load(module)
        return self._module("module_filter", node, module, guard=guard, actor=actor, persist=persist)

    @on_loop_thread
    def attach(
        self, node: str, table: str, *, guard: str | None = None, actor: str = "", persist: bool = False
    ) -> None:
        """Attaches a table to a peer, behind its other tables. A change of the table reaches all its peers."""
        self.rulebook.table(table)
        named_entries(self.policy, _node(node), guard)
        self._set(self._setting("attach", actor, persist, node=_node(node), guard=guard, name=table))

    @on_loop_thread
    def detach(
        self, node: str, table: str, *, guard: str | None = None, actor: str = "", persist: bool = False
    ) -> None:
        """Detaches a table from a peer, also a table attached by the policy file."""
        self.rulebook.table(table)
        named_entries(self.policy, _node(node), guard)
        self._set(self._setting("detach", actor, persist, node=_node(node), guard=guard, name=table))

    @on_loop_thread
    def set_table(self, table: str, rules: Sequence[str] | None, *, actor: str = "", persist: bool = False) -> None:
        """Sets all rules of a table, new or from the policy file; None brings back the rules of the file."""
        setting = self._setting("table", actor, persist, name=table, rules=tuple(rules or ()))
        if rules is None:
            self._unset(setting, actor)
            return
        made = [self.rulebook.read(text, f"table {table}") for text in setting.rules]
        for index, rule in enumerate(made):
            if any(rule.identity == earlier.identity for earlier in made[:index]):
                raise BadCallError(f"`{rule.text}` repeats an earlier rule; remove one of them")
        self._set(setting)

    @on_loop_thread
    def grant(
        self, node: str, table: str, seconds: float, reason: str, *, guard: str | None = None, actor: str = ""
    ) -> Grant:
        """Grants a table to a peer for a while; it decides before all other rules. A second grant renews the first.

        A grant survives a restart, so one is refused if it can't be saved. It is for the party that the policy knows by
        this name: one is refused if no entry names the peer, or if entries with other cookies do so at other guarded
        nodes.
        """
        self._grantable(table, seconds, reason)
        entries = party_of(self.policy, _node(node), guard)
        grants = self.rulebook.grants
        before = grants.get(_node(node), table, guard)
        given = grants.give(
            node,
            table,
            guard=guard,
            seconds=seconds,
            reason=reason,
            actor=actor,
            wall=self.clock.seconds(),
            monotonic=time.monotonic(),
            entries=tuple(map(key_of, entries)),
            party=self._party(entries[0]),
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
        self.record(GrantGiven(renewed=before is not None, **given.to_json()))
        return given

    @on_loop_thread
    def issue_token(
        self, node: str, table: str, seconds: float, reason: str, *, valid: float = 3600, actor: str = ""
    ) -> str:
        """Makes a token for a peer, good for one grant within ``valid`` seconds (see `peer_requests`)."""
        self._grantable(table, seconds, reason)
        named_entries(self.policy, _node(node), None)
        access, token = self._tokens.issue(
            _node(node), table, seconds, reason, actor=actor, valid=valid, now=self.clock.seconds()
        )
        try:
            self._save()
        except ControlError:
            self._tokens.forget(access)
            raise
        self.record(TokenIssued(node=node, table=table, seconds=seconds, reason=reason, actor=actor))
        return token

    @on_loop_thread
    def redeem(self, node: str, token: str, *, guard: str | None = None) -> Grant:
        """Takes a token that a peer has shown. Raises InvalidTokenError if it is not valid for that peer."""
        access = self._tokens.read(node, token, self.clock.seconds())
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
    def revoke(self, node: str, table: str, *, guard: str | None = None, actor: str = "") -> Revoked:
        """Ends the grants of a table to a peer before their time: at one guarded node, or wherever they hold.

        They end in any case. Raises UnsafeStateError if that can't be saved; distwall goes on trying.
        """
        grants = self.rulebook.grants
        ended = [grant for grant in grants.of(node, table) if guard in (None, grant.guard)]
        for grant in ended:
            grants.take_back(node, table, grant.guard)
        left = grants.of(node, table)
        if not ended and (node, table) not in self._unsaved:
            # Who asks about one guarded node hears of that one alone.
            told = [grant.guard for grant in left if guard is None or grant.guard is None]
            elsewhere = f"; it is granted for {places(told)}" if told else ""
            raise NotFoundError(f"no grant of `{table}` to {node}{elsewhere}; see distwall grants")
        self._refresh()
        for grant in ended:
            self.record(GrantRevoked(by=actor, **grant.to_json()))
        self._unsaved.add((node, table))
        self._save_revoked(f"{node}: table {table} is revoked now, but could come back with a restart")
        return Revoked(tuple(ended), tuple(left))

    def _save_revoked(self, what: str) -> None:
        """Saves that grants were revoked. Raises UnsafeStateError, and tries again later."""
        try:
            self._save(fewer=True)
        except ControlError as error:
            self.record(StateTrouble(detail=f"{what}: {error}"))
            self._save_later()
            raise UnsafeStateError(f"{what}; distwall tries again every second: {error}") from None

    def _save_later(self) -> None:
        if self._save_timer is None and self.loop is not None:
            self._save_timer = self.loop.call_later(RETRY_SAVE, self._save_again)

    def _save_again(self) -> None:
        """Tries once more to save that grants were revoked."""
        self._save_timer = None
        try:
            self._save(fewer=True)
        except ControlError:
            self._save_later()

    @on_loop_thread
    def grants(self) -> list[Grant]:
        """The grants in force."""
        self._expire()
        return list(self.rulebook.grants)

    @on_loop_thread
    def settings(self) -> list[RuntimeSetting]:
        """Settings made at run time, oldest first."""
        return list(self.rulebook.run_time)

    @on_loop_thread
    def disconnect(self, node: str, *, guard: str | None = None, actor: str = "") -> int:
        """Ends the channels of a peer; returns their number. The peer may connect again."""
        ended = [handle for handle in self._channels if handle.peer == node and guard in (None, handle.guard)]
        if not ended:
            raise NotFoundError(f"{node} is not connected; see distwall peers")
        for handle in ended:
            handle.close(f"disconnected by {actor or 'the operator'}")
        return len(ended)

    @on_loop_thread
    def set_shadow(self, policy: Policy | None, *, actor: str = "") -> None:
        """Adds a shadow policy, whose different verdicts are recorded; None removes it."""
        self._differences -= self.shadow_differences()
        self.rulebook.shadow = policy
        self._refresh()
        self.record(ShadowChanged(actor=actor, revision=None if policy is None else policy.revision))

    @on_loop_thread
    def shadow(self) -> str | None:
        """The revision of the shadow policy."""
        shadow = self.rulebook.shadow
        return None if shadow is None else shadow.revision

    @on_loop_thread
    def shadow_differences(self) -> int:
        """Number of commands on which the shadow policy differed, since it was set."""
        return self._differences + sum(handle.core.shadow_differences() for handle in self._channels)

    def forget(self, handle: ChannelHandle) -> None:
        """Drops a channel that has ended (the handle calls this)."""
        self._differences += handle.core.shadow_differences()
        super().forget(handle)

    @on_loop_thread
    def apply(self, policy: Policy, *, actor: str = "") -> list[str]:
        """Puts another policy in force, at once for all channels; returns the changes.

        Channels whose peers could not connect in this way any more are closed. Raises ControlError for a change that
        needs a restart.
        """
        for name in ("guard", "control", "audit"):
            if getattr(policy, name) != getattr(self.policy, name):
                raise ControlError(needs_restart(self.policy, policy, name))
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
            why = "no entry names this peer any more" if now is None else disturbs(handle.entry, now, handle.source)
            if now is None or why is not None:
                handle.close(f"the policy has changed: {why}")
            else:
                handle.entry = now
        self._end_foreign_grants(before, actor)
        self._refresh()
        with contextlib.suppress(UnsafeStateError):
            self._save_revoked(f"{policy.path}: grants have ended now, but could come back with a restart")
        if changes:
            self.record(PolicyChanged(actor=actor, policy=str(policy.path), changes=changes))
        return changes

    def _end_foreign_grants(self, before: Policy, actor: str) -> None:
        """Ends grants to names that belong to another party by the policy as it is now; keeps all others."""
        grants = self.rulebook.grants
        for grant in list(grants):
            old, new = (policy.entries_for(grant.node, grant.guard) for policy in (before, self.policy))
            if {entry.identity for entry in old} == {entry.identity for entry in new}:
                grants.put_back(replace(grant, entries=tuple(map(key_of, new))))
            else:
                self._end_foreign(grant, actor)

    def _end_foreign(self, grant: Grant, actor: str) -> None:
        """Ends a grant to a name that belongs to another party now."""
        self.rulebook.grants.take_back(grant.node, grant.table, grant.guard)
        self.record(GrantRevoked(by=f"{actor}: another entry or cookie", **grant.to_json()))
        self._unsaved.add((grant.node, grant.table))

    def _party(self, entry: Entry) -> str:
        """The digest of the proof that an entry asks for, as long as the state file lasts."""
        if entry.identity not in self._parties:
            self._parties[entry.identity] = party_digest(entry, "" if self._state is None else self._state.salt)
        return self._parties[entry.identity]

    def _setting(self, kind: Kind, actor: str, persist: bool, **about: Any) -> RuntimeSetting:
        return RuntimeSetting(kind, actor, round(self.clock.seconds(), 3), persist, **about)

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
        made = self.rulebook.read(f"{VERDICTS[verdict]} {text}", "run time")
        for known in self.rulebook.run_time:
            if (known.kind, known.node, known.guard) != (kind, about, guard) or known.rule is None:
                continue
            # The same may be spelled in other ways.
            if self.rulebook.read(f"{known.verdict} {known.rule}", "run time").identity == made.identity:
                text = known.rule
        return self._setting(kind, actor, persist, node=about, guard=guard, rule=text, verdict=VERDICTS[verdict])

    def _load(self, module: str | None) -> None:
        """Loads a handler or filter in Python now, so that its caller learns of errors."""
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
            named_entries(self.policy, node, setting.guard)
            self._set(setting)
        return None if known is None else known.name

    def _default(self, setting: RuntimeSetting) -> Verdict:
        """The verdict of the defaults on the target of a setting."""
        made = self.rulebook.read(f"deny {setting.rule}", "run time")
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
        self.record(Setting(actor=setting.actor, set=str(setting), persist=setting.persist))

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
        self.record(Setting(actor=actor, unset=str(before), persist=before.persist))

    def _grantable(self, table: str, seconds: float, reason: str) -> None:
        self.rulebook.table(table)
        if not 0 < seconds <= MAX_SECONDS:
            raise BadCallError(f"{seconds:g} seconds; grant more than 0 and at most {MAX_SECONDS} seconds")
        if not reason.strip():
            raise BadCallError("a grant without a reason; give one, for the audit log")

    def _save(self, *, fewer: bool = False) -> None:
        if self._state is not None:
            now = self.clock.seconds()
            settings, tokens = self.rulebook.run_time.persistent(), self._tokens.saved(now)
            self._state.save(settings, self.rulebook.grants, tokens, now, fewer=fewer)
            self._noted = time.monotonic()
        self._unsaved.clear()

    def _note_time(self) -> None:
        """Saves the time, if anything ends: it must not come again, or what has ended would come back with it."""
        now = self.clock.seconds()
        if self._state is None or not (self._state.seen or self.rulebook.has_ends() or self._tokens.saved(now)):
            return
        try:
            self._state.note_time()
            self._save()
        except ControlError as error:
            self.record(StateTrouble(detail=str(error)))

    def _restore(self, state: StateFile) -> None:
        settings, grants, tokens = state.load()
        self.clock.begin_at(state.seen)
        self._tokens.restore(tokens)
        for setting in settings:
            self.rulebook.run_time.put(setting)
        wall, monotonic = self.clock.seconds(), time.monotonic()
        for grant in grants:
            entries = self.policy.entries_for(grant.node, grant.guard)
            if not self.rulebook.grants.restore(replace(grant, entries=tuple(map(key_of, entries))), wall, monotonic):
                self.record(GrantExpired(**grant.to_json()))
            elif {self._party(entry) for entry in entries} != {grant.party}:
                self._end_foreign(grant, "start")

    def _expire(self) -> None:
        over = self.rulebook.grants.expire(self.clock.seconds(), time.monotonic())
        if not over:
            return
        self._refresh()
        for grant in over:
            self.record(GrantExpired(**grant.to_json()))
        # Even if that fails, each reader will find that it has expired.
        self._note_time()

    def _watch_clock(self) -> None:
        """Ends grants and rules in time. The wall clock may be turned, so each wait is short."""
        if self._clock_timer is not None:
            self._clock_timer.cancel()
            self._clock_timer = None
        if self.loop is None:
            return
        self._expire()
        if self._rules_end is not None and self._rules_end <= self.clock.utc():
            self._refresh()
            self._note_time()
        elif time.monotonic() - self._noted > NOTE_TIME:
            self._note_time()
        left = self.rulebook.grants.next_end(self.clock.seconds(), time.monotonic())
        if left is not None or self._rules_end is not None:
            seconds = CLOCK_CHECK if left is None else min(left + 0.002, CLOCK_CHECK)
            self._clock_timer = self.loop.call_later(seconds, self._watch_clock)

    def _refresh(self) -> None:
        super()._refresh()
        self._rules_end = self.rulebook.next_expiry(self.clock.utc())
        if self._rules_end is not None and self._clock_timer is None and self.loop is not None:
            self._clock_timer = self.loop.call_later(CLOCK_CHECK, self._watch_clock)


def _node(name: str) -> str:
    if node_fault(name):
        raise BadCallError(f"`{name}` is not the name of a node; write NAME@HOST")
    return name


def _said(ranked: Ranking, rule: Rule) -> Verdict:
    """The verdict on all targets of a rule."""
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
    names = [name if name == "_" else print_atom(str(name)) for name in (module, function)]
    return f"{names[0]}:{names[1]}/{arity}"
