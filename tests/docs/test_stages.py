"""The stages of docs/rules.md and the stages of the core, side by side: names, order, reasons, and audit mode."""

import re

import pytest

from distwall._core import STAGES
from distwall.policy.explanation import STAGE_QUESTIONS
from tests.docs.pages import TOP
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Export, Pid, Term
from tests.support.office import Person

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
SERVER, SHOWN = Atom("server"), G.pid(52)
JUDGE = TOP / "crates" / "distwall-wire" / "src" / "session" / "judge.rs"


def table() -> list[list[str]]:
    """The rows of the page: name, question, reasons, waived."""
    section = (TOP / "docs" / "rules.md").read_text().partition("### Stages")[2].partition("\n###")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def tell(payload: Term = 1, by: Pid | None = None) -> Message:
    return message(Op.REG_SEND, by or P.pid(), EMPTY, SERVER, payload=payload)


def send(to: Pid, payload: Term = 1) -> Message:
    return message(Op.SEND_SENDER, P.pid(), to, payload=payload)


def spawn(options: Term) -> Message:
    return message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (Atom("m"), Atom("f"), 0), options, payload=[])


SYSTEM = (Atom("system"), (P.pid(), P.ref()), Atom("suspend"))
ATOMS: Term = [Atom(f"stage_{n}") for n in range(20)]
OBJECTIONS: list[tuple[str, str, tuple[str, ...], Message]] = [
    ("sender", "spoofed", ("accept *",), tell(by=T.pid())),
    ("target", "stale_target", ("accept *",), send(Pid(G.name, 7, 0, 1))),
    ("rule", "rule", ("deny reg_send",), tell()),
    ("rule", "default", ("accept link",), tell()),
    ("options", "options", ("accept call m:f/0",), spawn([(Atom("priority"), Atom("max"))])),
    ("name", "rule", ("accept send", "deny reg_send server"), send(SHOWN)),
    ("name", "default", ("accept send",), send(G.pid(53))),
    ("otp_internal", "otp_internal", ("accept reg_send",), tell(SYSTEM)),
    ("third_node", "third_node", ("accept reg_send",), tell(T.pid())),
    ("funs", "funs", ("accept reg_send",), tell(Export(SERVER, SERVER, 1))),
    ("limit", "limit:new_atoms", ("accept reg_send",), tell(ATOMS)),
]
"""Commands that one stage has something against: its name, the reason, the rules."""

SILENT = ("answer", "call")
"""Stages that refuse nothing."""


def judged(rules: tuple[str, ...], sent: Message, *, audit: bool) -> tuple[list[str], bool]:
    """The reasons in the log, and if the command went on."""
    channel = CoreChannel(*rules, audit=audit, limits={"new_atoms": 10})
    channel.office.people = {SHOWN: Person(name="server"), G.pid(53): Person(name="auth", application="kernel")}
    output = channel.inbound(sent)
    return output.reasons, sent in output.forward


def test_names_and_questions_stand_in_the_order_of_the_core() -> None:
    rows = table()
    assert [row[0] for row in rows] == list(STAGES)
    assert {row[0]: row[1] for row in rows} == STAGE_QUESTIONS
    assert len(STAGES) == len(set(STAGES))


def test_the_core_asks_the_stages_in_the_order_of_its_list() -> None:
    """One macro makes the list of names and the calls, and each function has the name of its stage."""
    listed = re.findall(r'^    (\w+) "(\w+)" => \w+::(\w+),$', JUDGE.read_text(), re.MULTILINE)
    assert [name for _, name, _ in listed] == list(STAGES)
    assert [function for _, _, function in listed] == list(STAGES)
    assert [variant.lower() for variant, _, _ in listed] == [name.replace("_", "") for name in STAGES]


def test_each_stage_that_refuses_has_a_command_here() -> None:
    assert set(STAGES) - {stage for stage, *_ in OBJECTIONS} == set(SILENT)
    assert {row[0] for row in table() if row[2] == "(refuses nothing)"} == set(SILENT)


@pytest.mark.parametrize(
    ("stage", "reason", "rules", "sent"), OBJECTIONS, ids=[f"{stage} {reason}" for stage, reason, *_ in OBJECTIONS]
)
def test_reasons_and_audit_mode_are_as_the_page_says(
    stage: str, reason: str, rules: tuple[str, ...], sent: Message
) -> None:
    row = next(row for row in table() if row[0] == stage)
    assert reason.replace(":new_atoms", ":NAME") in re.findall(r"[\w:]+", row[2])
    assert judged(rules, sent, audit=False) == ([reason], False)
    waived = row[3] == "yes"
    assert judged(rules, sent, audit=True) == ([f"audit:{reason}"] if waived else [reason], waived)
