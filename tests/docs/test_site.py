"""The documentation site builds, and what is wrong with it fails the build."""

from pathlib import Path

import pytest

from tools.site import __main__ as site
from tools.site.check import broken, outside_the_nav
from tools.site.gather import gather


def test_the_site_builds_and_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    assert site.build(tmp_path / "work") == []
    assert "<h1" in (tmp_path / "work" / "site" / "index.html").read_text()


@pytest.mark.parametrize("link", ["nowhere.md", "rules.md#no-such-heading"])
def test_a_broken_link_fails_the_build(link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_a_broken_link(folder: Path) -> None:
        gather(folder)
        page = folder / "guide.md"
        page.write_text(f"{page.read_text()}\n[x]({link})\n")

    monkeypatch.setattr(site, "gather", with_a_broken_link)
    (fault,) = site.build(tmp_path / "work")
    assert "guide.md" in fault


def test_every_page_is_in_the_nav_once() -> None:
    nav = [{"Start": ["a.md", {"B": "b.md"}]}, {"Rules": [{"C": [{"D": "c/d.md"}]}]}]
    assert outside_the_nav(nav, {"a.md", "b.md", "c/d.md"}) == []
    assert outside_the_nav(nav, {"a.md", "c/d.md", "e.md"}) == [
        "e.md: not in the nav of zensical.toml",
        "b.md: in the nav of zensical.toml, but no such page",
    ]
    assert outside_the_nav([*nav, "a.md"], {"a.md", "b.md", "c/d.md"}) == [
        "a.md: more than once in the nav of zensical.toml"
    ]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            '<a href="b.html#there">b</a> <a href="https://example.org">away</a> <p id="here"><a href="#here">up</a>',
            None,
        ),
        ('<a href="c.html">c</a>', "a.html: c.html leads nowhere"),
        ('<a href="b.html#nope">b</a>', "a.html: b.html#nope has no such anchor"),
        ('<a href="#nope">a</a>', "a.html: #nope has no such anchor"),
        ('<link href="https://fonts.example.org/x.css">', "a.html: loads https://fonts.example.org/x.css"),
        ('<script src="//cdn.example.org/x.js"></script>', "a.html: loads //cdn.example.org/x.js"),
        ('<img src="gone.png">', "a.html: gone.png leads nowhere"),
    ],
)
def test_what_built_pages_point_at(body: str, fault: str | None, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(body)
    (tmp_path / "b.html").write_text('<h2 id="there">There</h2>')
    assert broken(tmp_path) == ([fault] if fault else [])


def test_links_of_gathered_pages_fit_their_places(tmp_path: Path) -> None:
    gather(tmp_path)
    assert "](index.md)" in (tmp_path / "guide.md").read_text()
    assert "](guide.md)" in (tmp_path / "index.md").read_text()
    assert (tmp_path / "events.schema.json").is_file()
