"""Tokens: made, found, expired, revoked; and files that hold none."""

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from distwall.http_api.bearer_tokens import TokenFile, TokenFileError
from distwall.operations import Role

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_token_is_found_until_its_time_is_over(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    assert file.tokens() == ()
    token, text = file.create(Role.OPERATE, HOUR, "ci", NOW)
    assert (token.role, token.created, token.expires) == ("operate", "2026-11-23T07:00:00Z", "2026-11-23T08:00:00Z")
    assert TokenFile(file.path).find(text, NOW) == token
    assert file.find(text, NOW + HOUR) is None
    secret = text.rpartition("_")[2] if "_" not in text.split("_", 2)[2] else text.split("_", 2)[2]
    data = file.path.read_text()
    assert text not in data
    assert secret not in data
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["tokens.json"]


def test_whatever_is_not_the_token_finds_nothing(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    _, text = file.create(Role.READ, HOUR, None, NOW)
    _, other = file.create(Role.ADMIN, HOUR, None, NOW)
    mixed = "_".join([*other.split("_", 2)[:2], text.split("_", 2)[2]])
    for wrong in ("", text[:-1], text + "x", text.swapcase(), text.removeprefix("distwall_"), mixed, "é\udcff", "_"):
        assert file.find(wrong, NOW) is None, wrong


def test_names_of_tokens_are_unique_while_they_last(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    token, _ = file.create(Role.READ, HOUR, None, NOW)
    assert token.name == f"read-{token.id}"
    file.create(Role.READ, HOUR, "ci", NOW)
    with pytest.raises(TokenFileError, match="there is a token `ci` already"):
        file.create(Role.READ, HOUR, "ci", NOW)
    # The expired ones make room.
    file.create(Role.READ, HOUR, "ci", NOW + HOUR)
    assert [each.name for each in file.tokens()] == ["ci"]
    for bad in ("a b", "", "-x", "x" * 65, "x\n"):
        if bad:
            with pytest.raises(TokenFileError, match="is not a valid name for a token"):
                file.create(Role.READ, HOUR, bad, NOW)


def test_revoked_ones_are_gone_at_once(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    other = TokenFile(tmp_path / "tokens.json")
    token, text = file.create(Role.READ, HOUR, "ci", NOW)
    assert file.find(text, NOW)
    other.revoke(token.id)
    assert file.find(text, NOW) is None
    with pytest.raises(TokenFileError, match="no token `ci`"):
        other.revoke("ci")


def test_many_change_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    made: list[str] = []

    def make(number: int) -> None:
        while True:
            try:
                made.append(TokenFile(path).create(Role.READ, HOUR, f"t{number}", NOW)[1])
            except TokenFileError as error:
                if "try again" not in str(error):
                    return
            else:
                return

    threads = [threading.Thread(target=make, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    file = TokenFile(path)
    assert len(made) == 12
    assert all(file.find(text, NOW) for text in made)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"version": 2, "tokens": []}', '{"version": 1, "tokens": [{}]}', "\0", '{"version": 1}'],
)
def test_a_file_of_something_else_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(TokenFileError, match="not a valid file of tokens"):
        TokenFile(path).find("distwall_x_y", NOW)


def test_roles_are_checked_when_the_file_is_read(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    _, text = file.create(Role.READ, HOUR, None, NOW)
    data = json.loads(file.path.read_text())
    data["tokens"][0]["role"] = "god"
    file.path.write_text(json.dumps(data))
    with pytest.raises(TokenFileError, match="not a valid file of tokens"):
        file.find(text, NOW)


def test_a_file_that_others_can_write_is_an_error(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    _, text = file.create(Role.READ, HOUR, None, NOW)
    file.path.chmod(0o666)
    with pytest.raises(TokenFileError, match="every user can change the tokens; run chmod 600"):
        file.find(text, NOW)
