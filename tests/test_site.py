"""The documentation's site builds strictly, and every page of it stands in a real Chromium.

Screenshots of a few pages lie in `runs/site-screenshots`.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests._source import ROOT
from tests.report.browser import chromium, photograph
from tests.site_pages import SCHEMES, WIDTHS, Visit, Visitor, broken_links, pages, served

# The build and the first test's look at all pages may together take many minutes where many others compute.
pytestmark = pytest.mark.timeout(1800)

SHOTS = ROOT / "runs" / "site-screenshots"
PHOTOGRAPHED = ("", "choose/regularizer/", "benchmarks/regularizers/", "api/regularizers/")
FAULTS = {
    "error: planted": "<script>throw new Error('planted')</script>",
    "console: planted": "<script>console.error('planted')</script>",
    "leaves the site: http://elsewhere.invalid/": "<script src='http://elsewhere.invalid/x.js'></script>",
    "scrolls sideways at 390": "<div style='width: 700px; height: 9px; background: red'></div>",
    "reaches beyond 1280": "<div style='overflow: visible; width: 2000px'>wide</div>",
    "faint in light": "<p style='color: #aaa'>faint</p>",
    "faint in dark": "<p style='color: #111'>faint</p>",
    "answer 404": "<img src='missing.png' alt='missing'>",
    "picture missing": "<img src='missing.png' alt='missing'>",
    "picture without words": "<img src='assets/demo.gif'>",
    "formula not typeset": "<div class='arithmatex'>\\[\\nonsense{\\]</div>",
    "2 headings": "<h1>Another</h1>",
    "no page": "<a href='nowhere/'>nowhere</a>",
    "no place": "<a href='concepts/#nowhere'>nowhere</a>",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    result = build(folder)
    assert result.returncode == 0, result.stderr[-4000:]
    return folder


def build(folder: Path, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    return subprocess.run(
        [*command, "--config-file", str(config)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def base(site: Path) -> Iterator[str]:
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(color_scheme="light", reduced_motion="reduce")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def visitor(base: str, context: BrowserContext) -> Visitor:
    return Visitor(context, base)


@pytest.fixture(scope="module")
def visits(site: Path, visitor: Visitor) -> list[Visit]:
    short = {page for page in pages(site) if not page.startswith("api/")} | {"api/", *PHOTOGRAPHED}
    return [visitor.visit(page, script=page in short) for page in pages(site)]


@pytest.fixture(scope="module")
def concepts(visitor: Visitor) -> Visit:
    return visitor.visit("concepts/")


def test_every_page_stands_at_both_widths_in_both_schemes(visits: list[Visit]) -> None:
    assert len(visits) > 50
    assert [f"{seen.address}: {fault}" for seen in visits for fault in seen.faults] == []


def test_no_link_within_the_site_is_broken(visits: list[Visit], site: Path, base: str) -> None:
    assert sum(link.startswith(base) for seen in visits for link in seen.links) > 1000
    assert broken_links(visits, site, base) == []


def test_formulas_are_shown(site: Path, base: str, context: BrowserContext) -> None:
    tab = context.new_page()
    tab.goto(f"{base}api/regularizers/")
    assert tab.locator(".katex-display").count() > 10
    assert "mean_s N sum_j" not in tab.inner_text(".md-content")
    tab.close()


def test_a_reader_finds_the_way(base: str, context: BrowserContext) -> None:
    """Tabs by task, previous and next, a search that finds, a switch of the colour scheme that stays."""
    tab = context.new_page()
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(f"{base}choose/regularizer/")
    tabs = [text.strip() for text in tab.locator(".md-tabs__link").all_inner_texts()]
    assert tabs[0] == "Start"
    assert {"How to choose", "Guides", "Benchmarks", "Reference", "Changelog"} <= set(tabs)
    assert tab.locator(".md-footer__link--prev").count() == tab.locator(".md-footer__link--next").count() == 1
    tab.locator("label.md-header__button[title='Switch to dark']").click()
    tab.goto(f"{base}concepts/")
    assert tab.get_attribute("body", "data-md-color-scheme") == SCHEMES["dark"]
    tab.locator(".md-search__input").fill("ExactSIGReg")
    tab.locator(".md-search-result__link").first.wait_for(state="attached")
    assert "regularizer" in (tab.locator(".md-search-result__link").first.get_attribute("href") or "")
    tab.close()


def test_a_dark_system_gets_dark_pages(base: str, browser: Browser) -> None:
    dark = browser.new_context(color_scheme="dark")
    tab = dark.new_page()
    tab.goto(base)
    assert tab.get_attribute("body", "data-md-color-scheme") == SCHEMES["dark"]
    dark.close()


@pytest.mark.parametrize("page", PHOTOGRAPHED)
def test_photograph(page: str, base: str, context: BrowserContext) -> None:
    tab = context.new_page()
    tab.goto(base + page)
    name = page.strip("/").replace("/", "-") or "start"
    for width, (scheme, colours) in zip(WIDTHS, SCHEMES.items(), strict=True):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.evaluate("name => document.body.setAttribute('data-md-color-scheme', name)", colours)
        photograph(tab, SHOTS / f"{name}-{width}-{scheme}.png")
        assert (SHOTS / f"{name}-{width}-{scheme}.png").stat().st_size > 10_000
    tab.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(
    fault: str, site: Path, base: str, visitor: Visitor, concepts: Visit
) -> None:
    name = f"faulty-{list(FAULTS).index(fault)}.html"
    text = (site / "index.html").read_text(encoding="utf-8")
    (site / name).write_text(text.replace("</article>", FAULTS[fault] + "</article>", 1), encoding="utf-8")
    try:
        seen = visitor.visit(name)
        found = seen.faults + broken_links([seen, concepts], site, base)
    finally:
        (site / name).unlink()
    assert any(fault in text for text in found), found


def test_a_formula_that_no_docstring_has_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A page\n\n    SIGReg = 3\n", encoding="utf-8")
    for name in ("formulas.py", "formulas.toml"):
        (tmp_path / name).write_bytes((ROOT / "docs" / "hooks" / name).read_bytes())
    config = tmp_path / "mkdocs.yml"
    config.write_text("site_name: one page\nhooks: [formulas.py]\ntheme: mkdocs\nplugins: []\n")
    result = build(tmp_path / "out", config)
    assert result.returncode != 0
    assert "holds a formula that no docstring has: SIGReg = mean_s N sum_j" in result.stderr
