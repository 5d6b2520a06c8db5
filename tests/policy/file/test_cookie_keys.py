"""Where cookies are read from: what can't hold one, who else can read it, and what errors must not say."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import BinaryIO

import pytest

from distwall.files import permissions as perms
from distwall.files import regular_file
from distwall.policy import Policy, PolicyError, loads, warnings
from tests.support.policies import ENV, GUARD

SECRET = "XKCDQWVZJYHGXKCDQWVZ"


def _load(folder: Path, cookie: str = 'cookie_file = "c.cookie"') -> Policy:
    return loads(f'{GUARD}[[peers]]\nnode = "a@h"\n{cookie}\n', folder / "distwall.toml", ENV)


def _error(folder: Path, cookie: str = 'cookie_file = "c.cookie"') -> str:
    with pytest.raises(PolicyError) as caught:
        _load(folder, cookie)
    return str(caught.value)


def _warnings(folder: Path) -> list[str]:
    return [warning.what for warning in warnings(_load(folder))]


def _status(mode: int, uid: int = 0, gid: int = 0) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


class TestFiles:
    @pytest.mark.timeout(10)
    def test_a_fifo_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "c.cookie")
        assert "c.cookie: it is a FIFO; name a file that contains only a cookie" in _error(tmp_path)

    @pytest.mark.timeout(10)
    def test_a_device_is_not_read(self, tmp_path: Path) -> None:
        assert "/dev/zero: it is a device" in _error(tmp_path, 'cookie_file = "/dev/zero"')

    def test_a_directory_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "c.cookie").mkdir()
        assert "it is a directory" in _error(tmp_path)

    def test_a_socket_is_an_error(self, tmp_path: Path) -> None:
        import socket

        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(tmp_path / "c.cookie"))
            assert "can't read the cookie file" in _error(tmp_path)

    def test_a_huge_file_is_an_error(self, tmp_path: Path) -> None:
        with (tmp_path / "c.cookie").open("wb") as file:
            file.truncate(1 << 40)
        assert "it has 1099511627776 bytes, more than a cookie" in _error(tmp_path)

    def test_a_file_that_says_it_is_empty_and_is_not_is_an_error(self, tmp_path: Path) -> None:
        assert "/proc/kallsyms contains more than a cookie" in _error(tmp_path, 'cookie_file = "/proc/kallsyms"')

    def test_a_file_that_somebody_still_writes_is_an_error(self, tmp_path: Path) -> None:
        with (tmp_path / "c.cookie").open("wb") as file:
            file.write(SECRET.encode()[:10])
            file.flush()
            error = _error(tmp_path)
            assert "somebody is still writing the cookie file" in error
            assert SECRET[:10] not in error
            file.write(SECRET.encode()[10:])
        (entry,) = _load(tmp_path).entries
        assert entry.cookie.reveal() == SECRET.encode()

    def test_a_file_that_changes_while_it_is_read_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "c.cookie"
        path.write_text(SECRET[:10])
        opened = regular_file.opened

        @contextmanager
        def meanwhile(name: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
            with opened(name) as found:
                yield found
            path.write_text(SECRET)

        monkeypatch.setattr("distwall.policy.file.cookie_keys.opened", meanwhile)
        assert "somebody is still writing the cookie file" in _error(tmp_path)

    def test_a_link_to_nowhere_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "c.cookie").symlink_to("nowhere")
        assert "c.cookie: No such file or directory" in _error(tmp_path)


class TestReaders:
    @pytest.mark.parametrize(
        ("mode", "who"),
        [(0o600, None), (0o400, None), (0o604, "every user"), (0o666, "every user")],
    )
    def test_the_mode_says_who_can_read(self, mode: int, who: str | None) -> None:
        assert perms.readers(_status(mode)) == who

    def test_a_group_counts_if_it_has_others_in_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        members = {"distwall"}
        monkeypatch.setattr(perms, "_group", lambda _: ("distwall", set(members)))
        assert perms.readers(_status(0o640)) is None, "somebody besides root has to read it"
        assert perms.readers(_status(0o640, uid=4242)) == "the group distwall"
        assert perms.writers(_status(0o660)) == "the group distwall"
        members.add("rabbitmq")
        assert perms.readers(_status(0o640)) == "the group distwall"
        members.clear()
        assert perms.readers(_status(0o660, uid=4242)) is None
        assert perms.writers(_status(0o660, uid=4242)) is None

    def test_nobody_replaces_files_in_a_folder_with_the_sticky_bit(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o777)
        assert perms.writers(tmp_path.stat()) == "every user"
        tmp_path.chmod(0o1777)
        assert perms.writers(tmp_path.stat()) is None

    def test_groups_are_those_of_this_host(self) -> None:
        assert perms._group(0)[0] == "root"
        assert "root" in perms._group(0)[1]
        assert perms._group(987654)[1] == set()

    def test_check_warns_of_other_readers(self, tmp_path: Path) -> None:
        file = tmp_path / "c.cookie"
        file.write_text(SECRET)
        file.chmod(0o600)
        assert _warnings(tmp_path) == []
        file.chmod(0o644)
        assert _warnings(tmp_path) == [f"every user can read the cookie file {file}"]

    def test_check_warns_of_a_stranger_who_owns_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "c.cookie"
        file.write_text(SECRET)
        file.chmod(0o600)
        monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
        if file.stat().st_uid:
            assert "belongs to" in _warnings(tmp_path)[0]
        else:
            assert _warnings(tmp_path) == []


class TestSilence:
    """A cookie in the wrong place, or in text that isn't TOML, is not quoted."""

    def test_a_cookie_in_place_of_a_variables_name_is_not_shown(self, tmp_path: Path) -> None:
        error = _error(tmp_path, f'cookie_env = "{SECRET}"')
        assert "the environment variable that `cookie_env` names is not set" in error
        assert SECRET not in error

    def test_a_cookie_in_place_of_a_files_name_is_not_shown(self, tmp_path: Path) -> None:
        error = _error(tmp_path, f'cookie_file = "{SECRET}"')
        assert f"named here, in {tmp_path}: No such file" in error
        assert SECRET not in error

    @pytest.mark.parametrize(
        "line",
        [
            f"cookie = {SECRET}",
            f'cookie = "{SECRET}',
            f'cookie = {SECRET}"',
            f"cookie = \"{SECRET}'",
            f'cookie = """{SECRET}',
            f'cookie = ["{SECRET}"',
            f'cookie = ["{SECRET}"]',
            f'cookie = {{ {SECRET} = "{SECRET}" }}',
            f'cookie = "{SECRET}" "{SECRET}"',
            f'cookie = "{SECRET}"\ncookie = "{SECRET}"',
            f'cookie = "\\{SECRET}"',
            f'cookie = "{SECRET}\\z"',
            f'cookie = "{SECRET}\x01"',
            f'cookie = "{SECRET}€"',
            f'cookie "{SECRET}"',
            f'cookie == "{SECRET}"',
            f'cookie = "{SECRET}" # {SECRET} \x01',
            f'coookie = "{SECRET}"',
            f'cookie = "{SECRET}"\ncookie_env = "{SECRET}"',
        ],
    )
    def test_errors_of_syntax_show_none(self, line: str, tmp_path: Path) -> None:
        error = _error(tmp_path, line)
        assert not [SECRET[at : at + 6] for at in range(len(SECRET) - 5) if SECRET[at : at + 6] in error]

    def test_errors_about_damaged_files_show_none(self) -> None:
        whole = f'{GUARD}[[peers]]\nnode = "a@h"\ncookie = "{SECRET}"\nlimits = {{ new_atoms = 1 }}\n[audit]\n'
        random = Random(20261123)
        errors = []
        for _ in range(3000):
            text = list(whole)
            for _ in range(random.randint(1, 3)):
                at = random.randrange(len(text))
                text[at : at + random.randint(0, 1)] = random.choice([*"\"'\n=[]{}.#\\\0\x01 ,é", ""])
            try:
                loads("".join(text), Path("distwall.toml"), ENV)
            except PolicyError as error:
                errors.append(str(error))
        assert len(errors) > 1000
        pieces = [SECRET[at : at + 6] for at in range(len(SECRET) - 5)]
        assert [error for error in errors if any(piece in error for piece in pieces)] == []
