"""README and docs: their policies load, rules parse, lists are complete, links lead somewhere."""

import re
from pathlib import Path

import pytest

from distwall._core import COMMANDS, DEFAULT_LIMITS
from distwall.policy import loads
from distwall.policy.file.policy_tests import read
from distwall.policy.language.grammar import parse_rule
from distwall.policy.language.services import built_in
from tests.docs.pages import PAGES, TOP, blocks
from tests.support.certificates import make_ca
from tools import service_pages
from tools.links import anchors, links, resolved
from tools.pages import PAGES as GENERATED

GUARD = '[guard]\nnodes = ["bar@127.0.0.2"]\ncookie = "cluster"\n'
TLS = '[guard.tls]\ncert = "wall.pem"\nkey = "wall.key"\nca = "ca.pem"\n'


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_policies_load(page: str, text: str, tmp_path: Path) -> None:
    for cookie in set(re.findall(r'cookie_file\s*=\s*"(.*?)"', text)):
        (tmp_path / cookie).write_text(f"cookie-of-{cookie}")
        (tmp_path / cookie).chmod(0o600)
    whole = text if "[guard]" in text else GUARD + text
    if "certificate" in text and "[guard.tls]" not in text:
        whole = whole.replace("[[peers]]", TLS + "[[peers]]", 1)
    for name in re.findall(r'^ca\s*=\s*"(.*?)\.pem"', whole, re.MULTILINE):
        make_ca(tmp_path, name)
    for name in re.findall(r'^cert\s*=\s*"(.*?)\.pem"', whole, re.MULTILINE):
        make_ca(tmp_path, "any").issue(tmp_path, name, cn=name)
    for module, function in re.findall(r'^verify_peer\s*=\s*"(.*?):(.*?)"', whole, re.MULTILINE):
        (tmp_path / f"{module}.py").write_text(f"def {function}(certificate, node): ...")
    loads(whole, tmp_path / "distwall.toml", {})


@pytest.mark.parametrize(
    ("page", "rule"), [(page, rule) for page, text in blocks("rules") for rule in text.splitlines()]
)
def test_rules_parse(page: str, rule: str) -> None:
    parse_rule(rule, built_in())


@pytest.mark.parametrize(("page", "text"), blocks("tests"))
def test_tests_of_policies_can_be_read(page: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.test.toml"
    file.write_text(text)
    assert read(file).tests


def test_the_rules_page_knows_every_command() -> None:
    page = (TOP / "docs" / "rules.md").read_text()
    assert [command for command in COMMANDS if f"`{command}`" not in page] == []


def test_the_limits_page_has_every_limit_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*?\| (\d+) \|", (TOP / "docs" / "limits.md").read_text(), re.MULTILINE)
    assert {name: int(value) for name, value in rows} == DEFAULT_LIMITS


def test_links_lead_somewhere() -> None:
    """Anchors are checked as GitHub makes them; ``make docs`` checks the links of the site."""
    texts = {page.relative_to(TOP).as_posix(): page.read_text() for page in PAGES}
    broken = []
    for page, text in texts.items():
        for target, anchor in links(text):
            file = resolved(page, target)
            if not (TOP / file).exists() or (anchor and anchor not in anchors(texts[file])):
                broken.append(f"{page}: {target}#{anchor}")
    assert broken == []


def test_paths_that_contributing_names_exist() -> None:
    named = set(
        re.findall(r"`((?:python|crates|tests|docs|scripts|tools)/[^`]+)`", (TOP / "CONTRIBUTING.md").read_text())
    )
    assert len(named) > 20
    assert sorted(path for path in named if not list(TOP.glob(path))) == []


@pytest.mark.parametrize("path", GENERATED)
def test_pages_made_from_code_are_current(path: str) -> None:
    """`make pages` writes them."""
    assert (TOP / path).read_text() == GENERATED[path]()


def test_the_pages_of_services_are_current() -> None:
    found = {path.name: path.read_text() for path in service_pages.PAGES.glob("*")}
    assert found == service_pages.pages()
