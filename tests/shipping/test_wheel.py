"""A wheel holds every file of distwall, the compiled Erlang modules included, or isn't built."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest

import distwall
from distwall.launch.modules import MODULES
from tools import wheel
from tools.pages import TOP

EBIN = "distwall/erlang/ebin"
BEAMS = [f"{EBIN}/{name}.beam" for name in MODULES]


def build(folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Build a wheel of the project in ``folder``, as pip does for everyone who installs it from a checkout."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(out)]
    environment = os.environ | {"PYO3_PYTHON": sys.executable}
    return subprocess.run([*command, str(folder)], check=False, capture_output=True, text=True, env=environment)


def test_a_built_wheel_holds_the_compiled_modules(tmp_path: Path) -> None:
    done = build(TOP, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("*.whl")
    with ZipFile(file) as built:
        assert set(BEAMS) <= set(built.namelist())
    assert wheel.main([str(file)]) == 0


def test_without_a_compiled_module_no_wheel_is_built(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    left_out = shutil.ignore_patterns(".*", "target", "site", "tests", "docs", "distwall_epmd.beam")
    shutil.copytree(TOP, copy, ignore=left_out)
    done = build(copy, tmp_path)
    assert done.returncode != 0
    assert f"modules are missing: python/{EBIN}/distwall_epmd.beam; run `make erlang`" in done.stdout + done.stderr
    assert list(tmp_path.glob("*.whl")) == []


@pytest.mark.parametrize("lost", [BEAMS[0], "distwall/_core.abi3.so", "distwall/py.typed"])
def test_a_wheel_without_one_of_its_files_is_found(
    lost: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = wheel.missing([])
    file = tmp_path / "distwall.whl"
    with ZipFile(file, "w") as made:
        for name in whole:
            if name != lost:
                made.writestr(name, "")
    assert wheel.main([str(file)]) == 1
    assert capsys.readouterr().err == f"wheel: distwall.whl: {lost} is missing\n"


def test_the_version_stands_in_one_place() -> None:
    version = tomllib.loads((TOP / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert distwall.__version__ == version == metadata.version("distwall")
    assert tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["dynamic"] == ["version"]
