"""`scripts/check-names`: a name that means two things is found, in Python and in Rust."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check-names"
PYTHON, CORE = "python/distwall", "crates/distwall-wire/src"


def found(top: Path, files: dict[str, str]) -> list[str]:
    for name, code in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    done = subprocess.run([sys.executable, SCRIPT, top], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode == bool(lines)
    return lines


@pytest.mark.parametrize(
    "files",
    [
        {f"{PYTHON}/a.py": "class Door: ...", f"{PYTHON}/b.py": "class Door: ..."},
        {f"{PYTHON}/a.py": "Door = int | str", f"{PYTHON}/b.py": "class Door: ..."},
        {f"{PYTHON}/a/operations.py": "", f"{PYTHON}/operations.py": ""},
        {"tests/a.py": "class Door: ...", "tests/b.py": "class Door: ..."},
        {f"{CORE}/a.rs": "pub struct Door;", f"{CORE}/b.rs": "enum Door {\n    Open,\n}"},
        {f"{CORE}/a.rs": "pub(crate) type Door = u8;", f"{CORE}/b/c.rs": "pub trait Door {\n}"},
        {
            f"{CORE}/a.rs": "macro_rules! m {\n    () => {\n        pub enum Door {}\n    };\n}",
            f"{CORE}/b.rs": "type Door = u8;",
        },
        {f"{CORE}/a.rs": "impl Lock {\n    fn of() {}\n}\n\nstruct Door;", f"{CORE}/b.rs": "struct Door;"},
    ],
)
def test_a_name_that_means_two_things_is_found(tmp_path: Path, files: dict[str, str]) -> None:
    (line,) = found(tmp_path, files)
    assert "means 2 things (" in line


@pytest.mark.parametrize(
    "files",
    [
        {f"{PYTHON}/a.py": "class Door: ...", f"{CORE}/a.rs": "struct Door;"},
        {f"{PYTHON}/a/messages.py": "", f"{PYTHON}/b/messages.py": ""},
        {f"{PYTHON}/cli/doctor.py": "", f"{PYTHON}/doctor.py": ""},
        {f"{CORE}/a.rs": "pub struct Door;", f"{CORE}/b.rs": "impl Look for Each {\n    type Door = u8;\n}"},
        {f"{CORE}/a.rs": "pub struct Door;", f"{CORE}/b.rs": "\n#[cfg(test)]\nmod tests {\n    struct Door;\n}"},
    ],
)
def test_names_that_may_be_the_same_are_not_found(tmp_path: Path, files: dict[str, str]) -> None:
    assert found(tmp_path, files) == []
