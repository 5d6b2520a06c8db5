"""The policy: the guarded nodes, the peers that may connect, and the commands that each peer may send.

A ``Policy`` is loaded from one TOML file (``load``), whole or not at all. It holds the settings of each section, such
as ``GuardSettings``, and the entries of the peers. ``entry_for`` picks the one ``Entry`` of a peer, and ``compile``
turns its rules into the tables of the core. ``explain`` gives the verdict on one command, and the reason.
"""

from distwall.policy.cookie import Cookie
from distwall.policy.explanation import (
    Explanation,
    Special,
    StageAnswer,
    explain,
    rule_to_json,
)
from distwall.policy.file.load import load, loads
from distwall.policy.language.rules import Filter, Rule
from distwall.policy.lint import warnings
from distwall.policy.model import (
    Address,
    AuditSettings,
    ControlSettings,
    Entry,
    GuardSettings,
    InsideTls,
    Policy,
    Redirect,
    Tls,
)
from distwall.policy.problem import Origin, PolicyError, Problem
from distwall.policy.question import Question, QuestionError

__all__ = [
    "Address",
    "AuditSettings",
    "ControlSettings",
    "Cookie",
    "Entry",
    "Explanation",
    "Filter",
    "GuardSettings",
    "InsideTls",
    "Origin",
    "Policy",
    "PolicyError",
    "Problem",
    "Question",
    "QuestionError",
    "Redirect",
    "Rule",
    "Special",
    "StageAnswer",
    "Tls",
    "explain",
    "load",
    "loads",
    "rule_to_json",
    "warnings",
]
