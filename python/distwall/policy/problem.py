"""Errors and warnings about a policy file, with their positions."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A position in a file: line and column count from 1, columns in characters."""

    path: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One error in a policy file, or (as a warning) a setting that can't work as written."""

    origin: Origin
    what: str
    remedy: str
    rule: tuple[str, int] | None = field(default=None, compare=False)
    """For an error in a rule: the text of the rule, and the index of the character."""

    def __str__(self) -> str:
        return f"{self.origin}: {self.what}; {self.remedy}"


class PolicyError(Exception):
    """A policy with errors. ``problems`` has all of them, in the order of the file."""

    problems: tuple[Problem, ...]

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
