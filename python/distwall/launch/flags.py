"""The flags of an emulator: from its command line, from environment variables, and from files that these name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distwall.files import regular_file

MAX_FILES = 16
"""Most files with flags that are read; each may name further files."""

_VARIABLES = (
    *("ERL_AFLAGS", "ERL_FLAGS", "ERL_ZFLAGS", "ELIXIR_ERL_OPTIONS"),
    *("RABBITMQ_SERVER_ERL_ARGS", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "RABBITMQ_SERVER_START_ARGS"),
    "RABBITMQ_CTL_ERL_ARGS",
)
_FILE_VARIABLES = ("RELEASE_VM_ARGS", "RELEASE_REMOTE_VM_ARGS", "VMARGS_PATH")
_FILE_FLAGS = ("-args_file", "--vm-args")
_TEXT_FLAGS = ("--erl",)


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag with its values, up to the next flag."""

    where: str
    """Source of the flag: a variable, a file, or the command line."""
    name: str
    """The flag with its dash."""
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where}: {' '.join((self.name, *self.values))}"


def flags_of(command: Sequence[str], environment: Mapping[str, str]) -> list[Flag]:
    """All flags that are visible from outside, in no particular order.

    A program's own scripts and configuration may add more: ``distwall_epmd`` has the last word there.
    """
    sources = [("the command line", list(command[1:]))]
    sources += [(name, words(environment[name])) for name in _names(environment)]
    files = [Path(environment[name]) for name in _FILE_VARIABLES if environment.get(name)]
    found: list[Flag] = []
    seen: set[Path] = set()
    while sources or files:
        if not sources:
            file = files.pop()
            if file in seen or len(seen) == MAX_FILES:
                continue
            seen.add(file)
            sources.append((str(file), _file_words(file)))
        where, given = sources.pop()
        for flag in _parse(where, given):
            found.append(flag)
            if flag.name in _FILE_FLAGS and flag.values:
                files.append(Path(flag.values[0]))
            elif flag.name in _TEXT_FLAGS and flag.values:
                sources.append((f"{where}, {flag.name}", words(flag.values[0])))
    return found


def words(text: str) -> list[str]:
    """The words of a text as the emulator splits it: at blanks that are neither quoted nor behind a backslash."""
    found: list[str] = []
    word: list[str] | None = None
    quote = ""
    characters = iter(text)
    for character in characters:
        if quote:
            if character == quote:
                quote = ""
            else:
                word = [*(word or []), character]
        elif character == "\\":
            word = [*(word or []), next(characters, "")]
        elif character in "'\"":
            quote, word = character, word or []
        elif character.isspace():
            if word is not None:
                found.append("".join(word))
            word = None
        else:
            word = [*(word or []), character]
    return found if word is None else [*found, "".join(word)]


def _names(environment: Mapping[str, str]) -> Iterator[str]:
    for name in environment:
        # Each release also reads a variable of its own: ERL_OTP25_FLAGS.
        if name in _VARIABLES or (name.startswith("ERL_OTP") and name.endswith("_FLAGS")):
            yield name


def _parse(where: str, given: list[str]) -> Iterator[Flag]:
    starts = [index for index, word in enumerate(given) if word.startswith("-")]
    for start, end in zip(starts, [*starts, len(given)][1:], strict=True):
        # `--erl` has one value, which itself looks like flags.
        if given[start - 1 : start] and given[start - 1] in _TEXT_FLAGS:
            continue
        if given[start] in _TEXT_FLAGS:
            yield Flag(where, given[start], tuple(given[start + 1 : start + 2]))
        yield Flag(where, given[start], tuple(given[start + 1 : end]))


def _file_words(file: Path) -> list[str]:
    """The words of an args file, without its comments; none if it can't be read, which the program will report."""
    try:
        lines = regular_file.read(file).decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [word for line in lines for word in words(line.split("#", 1)[0])]
