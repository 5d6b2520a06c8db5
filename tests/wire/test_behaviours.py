"""`otp_internal` is as wide as the clauses of OTP's behaviours, as this machine's release has them."""

from pathlib import Path

import pytest

from tests.wire.behaviour_clauses import BehaviourClause, clauses
from tests.wire.registered_names import unknown


@pytest.fixture(scope="module")
def found() -> list[BehaviourClause]:
    return clauses(Path("/"))


def test_every_clause_of_a_behaviour_is_covered(found: list[BehaviourClause]) -> None:
    assert len(found) > 30
    assert {clause.place: clause.uncovered for clause in found if clause.uncovered} == {}


def test_a_clause_that_is_not_covered_is_found() -> None:
    made = BehaviourClause("gen_event:handle_msg:1", "{_From, Tag, {do, X}}", ("{x, From, {do, 1}}",))
    assert made.uncovered == ["{x, From, {do, 1}}"]
    assert BehaviourClause("gen_event:handle_msg:1", "{notify, Event}", ("{notify, 1}",)).uncovered == []


def test_every_registered_name_is_known() -> None:
    assert unknown(Path("/")) == {}
