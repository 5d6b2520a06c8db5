"""The policy: which nodes are guarded, which peers may connect, and what each of them may do.

A ``Policy`` is loaded from one TOML file (``load``), whole or not at all. It holds the ``Guard`` settings and the
entries of the peers; ``entry_for`` picks the one ``Entry`` that applies to a peer, and ``compile`` turns the rules that
concern it into the tables of the core. ``explain`` says what the policy does with one command, and why.
"""

from distwall.policy.cookie import Cookie
from distwall.policy.explanation import Explanation, Question, QuestionError, Special, explain, rule_to_json
from distwall.policy.file.load import load, loads
from distwall.policy.language.rules import Filter, Rule
from distwall.policy.model import Address, Audit, Control, Entry, Guard, InsideTls, Policy, Redirect, Tls
from distwall.policy.problem import Origin, PolicyError, Problem

__all__ = [
    "Address",
    "Audit",
    "Control",
    "Cookie",
    "Entry",
    "Explanation",
    "Filter",
    "Guard",
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
    "Tls",
    "explain",
    "load",
    "loads",
    "rule_to_json",
]
