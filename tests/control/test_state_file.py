"""The state file: what is saved is read back, and a damaged one stops the start."""

import stat
from pathlib import Path

import pytest

from distwall.control.access_tokens import Access
from distwall.control.errors import UnsafeStateError
from distwall.control.grants import Grant
from distwall.control.runtime_settings import RuntimeSetting
from distwall.control.state_file import StateFile

SETTINGS = [
    RuntimeSetting("filter", "root", 5.0, True, node="foo@h", rule="reg_send 'ключ'", verdict="deny"),
    RuntimeSetting("table", "root", 6.0, True, name="ops", rules=("deny *", "accept ping")),
    RuntimeSetting("table", "root", 6.0, True, name="empty"),
]
GRANTS = [Grant("foo@h", "ops", "bar@h", 60, "fix", "root", 10.0, 70.0, 0.0)]

TOKENS = [Access("0f3a", "0" * 64, "foo@h", "ops", 60, "fix", "root", 70.0, is_used=True)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def test_it_reads_what_it_wrote(path: Path) -> None:
    StateFile(path).save(SETTINGS, GRANTS, TOKENS, 5.0)
    assert StateFile(path).load() == (SETTINGS, GRANTS, TOKENS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_written_for_nothing(path: Path) -> None:
    file = StateFile(path)
    assert file.load() == ([], [], [])
    file.save([], [], [], 5.0)
    assert not path.exists()
    file.save(SETTINGS, [], [], 5.0)
    file.save([], [], [], 5.0)
    assert StateFile(path).load() == ([], [], [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2, "settings": [], "grants": []}',
        '{"version": 1, "settings": [{"kind": "odd", "actor": "", "at": 1, "persist": true}], "grants": []}',
        '{"version": 1, "settings": [{"verdict": "deny"}], "grants": []}',
        '{"version": 1, "settings": [], "grants": [{}]}',
        '{"version": 1, "settings": [], "grants": [], "tokens": [{}]}',
        '{"version": 1, "settings": [], "grants": [], "tokens": [7]}',
        '{"version": 1}',
    ],
)
def test_what_is_damaged_is_not_ignored(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(UnsafeStateError, match=f"{path}: can't read"):
        StateFile(path).load()


def test_a_full_disk_leaves_the_old_state(path: Path) -> None:
    file = StateFile(path)
    file.save(SETTINGS, [], [], 5.0)
    # Where its new self is to be written is a folder: not writable, for root neither.
    path.with_name("state.json.new").mkdir()
    with pytest.raises(UnsafeStateError, match="can't save"):
        file.save([], GRANTS, [], 5.0)
    assert StateFile(path).load() == (SETTINGS, [], [])
