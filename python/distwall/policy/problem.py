"""Where something stands in a policy file, and what is wrong with it."""

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
    """One thing that is wrong in a policy file, or (as a warning) that can't work as written."""

    origin: Origin
    what: str
    remedy: str
    rule: tuple[str, int] | None = field(default=None, compare=False)
    """If it is in a rule: the text of the rule, and the index of the character."""

    def __str__(self) -> str:
        return f"{self.origin}: {self.what}; {self.remedy}"


class PolicyError(Exception):
    """A policy that does not check. ``problems`` holds all that was found, in the order of the file."""

    problems: tuple[Problem, ...]

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
