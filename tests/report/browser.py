"""A real headless Chromium, found on this machine, and what a report must look like in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ADVICE = (
    "The report is tested in a real Chromium, and there is none on this machine. Install it (Debian and "
    "Ubuntu: `apt-get install chromium`), or name one in the environment variable LEWORLD_CHROMIUM."
)
_PATIENCE = 180_000.0  # milliseconds, for busy machines
_UNCAPTURED = "Unable to capture screenshot"  # what a busy Chromium says now and then, of a page that is well
_CAPTURES = 5
# Run in the page: boxes of all figures, the page's width, and the contrast of all text.
MEASURE = """() => {
  const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 ? m : [...m, 1]; };
  const luminance = ([r, g, b]) => { const f = v => { v /= 255;
      return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
      return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
      if (c[3] > 0.5) return c; } return [255, 255, 255, 1]; };
  const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
      return (x + 0.05) / (y + 0.05); };
  const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.right, r.width, r.height]; };
  const texts = [];
  for (const e of document.querySelectorAll('h1,h2,h3,p,a,th,td,figcaption,.key,svg text')) {
    if (!e.textContent.trim()) continue;
    const style = getComputedStyle(e), svg = e.namespaceURI.endsWith('svg');
    const chart = e.ownerSVGElement;
    const scale = svg ? chart.getBoundingClientRect().width / chart.viewBox.baseVal.width : 1;
    texts.push({text: e.textContent.slice(0, 40), size: parseFloat(style.fontSize) * scale,
                contrast: contrast(parse(svg ? style.fill : style.color), ground(e))});
  }
  const marks = [...document.querySelectorAll('svg .line, svg .dots, svg .area, svg .axis')].map(e =>
      ({name: e.getAttribute('class'), contrast: contrast(parse(getComputedStyle(e).stroke), ground(e))}));
  const inked = [...document.querySelectorAll('svg:not(svg svg)')].flatMap(chart => {
    const boxes = [...chart.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
    return boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([, b]) =>
      Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
      Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3).map(([two]) => `${one} on ${two}`)); });
  return {
    width: document.documentElement.scrollWidth, viewport: document.documentElement.clientWidth,
    overlaps: inked,
    ground: luminance(ground(document.body)), texts, marks,
    images: [...document.images].map(i => ({alt: i.alt, natural: i.naturalWidth, box: box(i)})),
    charts: [...document.querySelectorAll('svg:not(svg svg)')].map(s =>
        ({alt: s.getAttribute('aria-label'), box: box(s)})),
    outside: [...document.querySelectorAll('figure, table, p, h1, h2')].filter(e => !e.closest('.scroll') &&
        (e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 ||
         e.getBoundingClientRect().left < -1)).map(e => e.textContent.slice(0, 40)),
  };
}"""


def find() -> str:
    """Path of a Chromium, or an error with advice."""
    named = os.environ.get("LEWORLD_CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise AssertionError(f"LEWORLD_CHROMIUM={named!r} is no program." if named else ADVICE)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser with an empty profile of its own."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find(), args=list(OPTIONS), timeout=_PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """What happened when a page was opened, and what it measured."""

    measured: dict
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def visit(browser: Browser, page: Path, *, width: int, scheme: str, screenshot: Path) -> Visit:
    """Open a page offline at one width in one colour scheme, photograph and measure it."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    messages: list[str] = []
    requests: list[str] = []
    context.set_default_timeout(_PATIENCE)
    try:
        tab = context.new_page()
        tab.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: messages.append(f"error: {error}"))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(page.as_uri(), wait_until="load")
        photograph(tab, screenshot)
        return Visit(tab.evaluate(MEASURE), messages, requests)
    finally:
        context.close()


def photograph(tab: Page, screenshot: Path) -> None:
    """Write a picture of the whole page, asking again where the browser was too busy to take one."""
    screenshot.parent.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(_CAPTURES)):
        try:
            tab.screenshot(path=screenshot, full_page=True)
            return
        except Error as error:
            if _UNCAPTURED not in error.message or not left:
                raise
            tab.wait_for_timeout(1_000)


def check_visit(seen: Visit, *, width: int, scheme: str) -> None:
    """Hold a visit to what a reader needs."""
    found = seen.measured
    assert seen.messages == []
    leaving = [url for url in seen.requests if not url.startswith(("file:", "data:"))]
    assert leaving == []
    assert sum(url.startswith("file:") for url in seen.requests) == 1
    assert found["viewport"] == width
    assert found["width"] <= width, "the page scrolls sideways"
    assert found["outside"] == []
    assert found["overlaps"] == []
    assert found["images"]
    assert found["charts"]
    for image in found["images"]:
        assert image["natural"] > 0, image["alt"]
        assert min(image["box"][2:]) > 12, image
    for shown in [*found["images"], *found["charts"]]:
        assert shown["alt"]
        assert shown["box"][2] > 60
        assert -1 <= shown["box"][0] < shown["box"][1] <= width + 1, shown
    for chart in found["charts"]:
        assert chart["box"][3] > 100, chart
    assert (found["ground"] < 0.2) == (scheme == "dark")
    for text in found["texts"]:
        assert text["contrast"] >= 4.5, text
        assert text["size"] >= 9.5, text
    for mark in found["marks"]:
        assert mark["contrast"] >= 2.4, mark


PRINTED = """() => {
  const style = e => getComputedStyle(e);
  return {
    ground: style(document.body).backgroundColor, ink: style(document.querySelector('h1')).color,
    placed: [...document.querySelectorAll('*')].map(e => style(e).position).filter(p => p !== 'static'),
    cut: [...document.querySelectorAll('figure, tr, .verdict li, .rollout, .pairs > div')]
      .filter(e => style(e).breakInside !== 'avoid').map(e => e.tagName),
    scrolling: [...document.querySelectorAll('.scroll')].filter(e => style(e).overflowX !== 'visible').length,
    navigation: [...document.querySelectorAll('nav')].filter(e => style(e).display !== 'none').length,
    wide: document.documentElement.scrollWidth,
  };
}"""


def print_out(browser: Browser, page: Path, *, to: Path) -> dict:
    """Print a page on A4 from a dark screen, and tell what the paper would look like."""
    width = 703  # of A4 less the margins, in CSS pixels
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark")
    context.set_default_timeout(_PATIENCE)
    try:
        tab = context.new_page()
        tab.goto(page.as_uri(), wait_until="load")
        to.parent.mkdir(parents=True, exist_ok=True)
        tab.pdf(path=to, format="A4", prefer_css_page_size=True)
        tab.emulate_media(media="print")
        return tab.evaluate(PRINTED)
    finally:
        context.close()
