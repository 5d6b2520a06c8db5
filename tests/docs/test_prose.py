"""scripts/check-prose finds what a stranger would have to read twice, and leaves plain English alone."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check-prose"


def load() -> ModuleType:
    """The script as a module."""
    spec = spec_from_loader("check_prose", SourceFileLoader("check_prose", str(SCRIPT)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECK = load()


def found(folder: Path, name: str, text: str) -> list[str]:
    """What the check says of a file."""
    path = folder / name
    path.write_text(text)
    return [problem.text for problem in CHECK.problems(path)]


BAD_DOCSTRINGS = [
    "Whether something of the peer's that isn't known to answer or end anything can be nothing else.",
    "What those of all entries stand beside.",
    "Whether what was opened is still what stands there.",
    "Seconds after which it is looked whether a TLS connection that is being closed has all that was written.",
    "`over`: the limit that its coming exceeds.",
    "Its names.",
    "Who dialled.",
    "The one that was asked.",
    "A token, without what it does.",
    "A place that is none.",
    "Closes those of all entries.",
    "Sees to it that the port is closed.",
    "A message is no way to go on.",
    "Waits for so many seconds.",
    "Bytes that the peer that dialled has sent.",
    "One" + " and one" * 13 + ".",
]

GOOD_DOCSTRINGS = [
    "The atom budget shared by all peers of this guarded node.",
    "Poll interval while a closing TLS peer still acknowledges data.",
    "`over`: the rate limit that this message exceeded on arrival, if any.",
    "Refuses names that may not connect, so that strangers see no difference.",
    "Reads the file, which `a b c d e f g h i j k l m n o p q r s t u v w x y z` names.",
    "Bytes of one frame; None: without a limit.",
]


@pytest.mark.parametrize("text", BAD_DOCSTRINGS)
@pytest.mark.parametrize("form", ['X = 1\n"""{}"""\n', 'class X:\n    """{}"""\n', 'def x() -> None:\n    """{}"""\n'])
def test_riddles_in_docstrings_are_found(tmp_path: Path, form: str, text: str) -> None:
    assert found(tmp_path, "x.py", form.format(text))


@pytest.mark.parametrize("text", GOOD_DOCSTRINGS)
@pytest.mark.parametrize("form", ['X = 1\n"""{}"""\n', 'class X:\n    """{}"""\n', 'def x() -> None:\n    """{}"""\n'])
def test_plain_docstrings_are_left_alone(tmp_path: Path, form: str, text: str) -> None:
    assert found(tmp_path, "x.py", form.format(text)) == []


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("x.rs", "/// {}\nfn x() {{}}\n"),
        ("x.rs", "//! {}\n"),
        ("x.erl", "%% {}\nx() -> ok.\n"),
        ("x.erl", "%% @doc {}\nx() -> ok.\n"),
    ],
)
def test_rust_and_erlang_are_read_like_python(tmp_path: Path, name: str, form: str) -> None:
    assert all(found(tmp_path, name, form.format(text)) for text in BAD_DOCSTRINGS)
    assert not any(found(tmp_path, name, form.format(text)) for text in GOOD_DOCSTRINGS)


def test_comments_may_begin_with_any_word_but_have_no_riddles(tmp_path: Path) -> None:
    for name, mark in (("x.py", "#"), ("x.rs", "//")):
        assert found(tmp_path, name, f"{mark} Closes those of all entries.\n")
        assert found(tmp_path, name, f"{mark} When the peer hangs up, the entry goes.\n") == []


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        (
            "x.py",
            '@property\ndef x(self) -> bool:\n    """Names the file."""\n',
            '@property\ndef x(self) -> bool:\n    """True if the path still names the opened file."""\n',
        ),
        (
            "x.py",
            'def x() -> bool:\n    """Waits for the writer."""\n',
            'def x() -> bool:\n    """Waits for the writer; false if it failed."""\n',
        ),
        (
            "x.py",
            'class X:\n    x: bool\n    """The peer may dial."""\n',
            'class X:\n    x: bool\n    """True if the peer may dial."""\n',
        ),
        (
            "x.rs",
            "/// The peer may dial.\npub fn x(&self) -> bool {\n",
            "/// True if the peer may dial.\n#[must_use]\npub fn x(&self) -> bool {\n",
        ),
    ],
)
def test_predicates_begin_with_true_if(tmp_path: Path, name: str, bad: str, good: str) -> None:
    assert found(tmp_path, name, bad)
    assert found(tmp_path, name, good) == []


@pytest.mark.parametrize(
    "page",
    [
        "A peer that no entry names is none that may connect.\n",
        "* What stands in the file goes.\n",
        "| a | what it does |\n| --- | --- |\n",
        "A line is short. But it goes on and on. " * 4,
        "A sentence\n" + "with too many words\n" * 7,
    ],
)
def test_riddles_in_pages_are_found(tmp_path: Path, page: str) -> None:
    assert found(tmp_path, "x.md", page)


@pytest.mark.parametrize(
    "page",
    [
        "# What holds\n\nA peer proves its cookie. Then it may send.\n",
        "```\nwhat those of all entries stand beside\n```\n\nText.\n\n    what those stand beside\n",
        "One sentence in a line may be wide: a link such as [this](" + "x" * 100 + ") can't break.\n",
    ],
)
def test_plain_pages_are_left_alone(tmp_path: Path, page: str) -> None:
    assert found(tmp_path, "x.md", page) == []


def test_misspelt_words_are_found(tmp_path: Path) -> None:
    page = tmp_path / "x.md"
    page.write_text("A peer recieves bytes.\n")
    assert CHECK.main([str(page)]) == 1
    page.write_text("A peer receives bytes.\n")
    assert CHECK.main([str(page)]) == 0


def test_enforced_areas_exist_and_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert [area for area in CHECK.ENFORCED if not (CHECK.TOP / area).exists()] == []
    assert CHECK.main([]) == 0, capsys.readouterr().out
