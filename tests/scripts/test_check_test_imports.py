"""The check of who imports what of the tests: on made-up modules, and on the real ones."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/check-test-imports"


def check(*arguments: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert not done.stdout
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("tests/b/test_b.py", "from tests.a.test_a import thing"),
        ("tests/b/test_b.py", "from tests.a import test_a"),
        ("tests/b/helper.py", "import tests.a.test_a as a"),
        ("tests/b/helper.py", "def late():\n    from tests.a.test_a import thing"),
        ("tools/page.py", "from tests.a import test_a"),
        ("demo/__main__.py", "from tests.a.helper import thing"),
        ("demo/__main__.py", "from tests import a"),
        ("bench/paths.py", "from tests.supporters import thing"),
        ("python/distwall/x.py", "from tests.support import etf"),
    ],
)
def test_a_forbidden_import_is_found_at_its_line(tmp_path: Path, file: str, code: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(f"{code}\n")
    exit_code, said = check(tmp_path)
    assert exit_code == 1
    assert said.startswith(f"{file}:{code.count(chr(10)) + 1}: tests.")


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("tests/b/test_b.py", "from tests.a.helper import thing\nimport test_of_another_package"),
        ("tools/attacks_page.py", "from tests.attacks.corpus import CHAPTERS"),
        ("demo/__main__.py", "from tests.support.node import Node\nfrom tests.support import ports"),
    ],
)
def test_helpers_may_be_imported(tmp_path: Path, file: str, code: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(f"{code}\n")
    assert check(tmp_path) == (0, "")


def test_the_project_passes() -> None:
    assert check() == (0, "")
