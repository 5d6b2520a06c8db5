"""The check that no layer of the Rust core names a higher one: on made-up crates, and on the real one."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/check-layers"
LIB = "pub mod low;\n\npub mod middle;\n\npub mod high;\n\npub use high::Thing;\n"


def check(*arguments: Path) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def crate(folder: Path, **files: str) -> Path:
    """Write a crate of three layers; a file's name has `__` for `/`."""
    (folder / "lib.rs").write_text(LIB)
    for name, code in files.items():
        path = folder / (name.replace("__", "/") + ".rs")
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
    return folder


@pytest.mark.parametrize(
    "code",
    [
        "use crate::high::Thing;",
        "use crate::{low::Other, high::Thing};",
        "use crate::{\n    low::{a, b},\n    high,\n};",
        "use {crate::low::Other, crate::high::Thing};",
        "fn f() -> crate::high::Thing { crate::low::g() }",
        "pub(in crate::high) fn f() {}",
        "mod tests {\n    use crate::high::Thing;\n}",
        "macro_rules! m { () => { $crate::high::f() } }",
        "const QUOTE: char = '\"'; use crate::high::Thing; // \"",
    ],
)
def test_an_upward_name_is_found(tmp_path: Path, code: str) -> None:
    code_, found = check(crate(tmp_path, middle__deep=code))
    assert code_ == 1
    assert len(found) == 1
    assert "`middle` names `high`, which is a higher layer" in found[0]


def test_the_line_is_told(tmp_path: Path) -> None:
    _, found = check(crate(tmp_path, low="//! Text.\n\nuse crate::low::a;\nuse crate::middle::b;\n"))
    assert found == [f"{tmp_path}/low.rs:4: `low` names `middle`, which is a higher layer"]


@pytest.mark.parametrize(
    "code", ["use crate::Thing;", "use crate::*;", "use crate as all;", "use crate::{self as all};"]
)
def test_names_of_the_root_say_no_layer(tmp_path: Path, code: str) -> None:
    code_, found = check(crate(tmp_path, high=code))
    assert code_ == 1
    assert len(found) == 1
    assert "which is no layer" in found[0]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("low", "use super::high::Thing;"),
        ("low", "mod tests {\n    use super::super::high::Thing;\n}"),
        ("low__deep", "use super::super::high::Thing;"),
        ("low__deep", "mod tests {\n}\nuse super::super::high::Thing;"),
    ],
)
def test_super_does_not_lead_out_of_a_layer(tmp_path: Path, name: str, code: str) -> None:
    code_, found = check(crate(tmp_path, **{name: code}))
    assert code_ == 1
    assert len(found) == 1
    assert "climbs out of its layer" in found[0]


def test_a_file_of_no_layer_is_found(tmp_path: Path) -> None:
    code, found = check(crate(tmp_path, other=""))
    assert code == 1
    assert "other.rs: not part of a layer" in found[0]


def test_a_crate_without_layers_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "lib.rs").write_text("mod one;\n")
    assert check(tmp_path)[0] == 1


def test_downward_names_and_prose_are_fine(tmp_path: Path) -> None:
    code = """
        //! See [`Thing`](crate::high::Thing).
        use crate::low::{a, b};
        use crate::{low, middle::c};
        use super::d;
        pub(crate) const TEXT: &str = "crate::high::Thing";
        /* crate::high::Thing */
        mod tests {
            use super::*;
            use super::super::d;
        }
    """
    assert check(crate(tmp_path, middle__deep=code, low="mod tests { use super::*; }")) == (0, [])


def test_the_core_keeps_its_layers() -> None:
    assert check() == (0, [])
