"""Pages of the documentation's site in a real Chromium: what each one shows, and what is wrong with it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

from playwright.sync_api import BrowserContext, Page

WIDTHS = (390, 1280)
SCHEMES = {"light": "default", "dark": "slate"}
_PATIENCE = 180_000.0  # milliseconds, for busy machines
_NO_INDEX = {"config": {"lang": ["en"], "separator": "[\\s]+", "pipeline": [], "fields": {}}, "docs": []}
# What a width decides: does the page, or a part that does not scroll by itself, reach beyond the window?
LAYOUT = """() => {
  const width = document.documentElement.clientWidth;
  const inside = e => { for (let p = e.parentElement; p !== document.body; p = p.parentElement)
      if (getComputedStyle(p).overflowX !== 'visible') return true;
      return false; };
  const wide = [...document.querySelectorAll('.md-content *')].filter(e =>
      e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().right > width + 1 && !inside(e));
  return {viewport: width, scroll: document.documentElement.scrollWidth,
          wide: wide.slice(0, 3).map(e => e.tagName + ': ' + e.textContent.trim().slice(0, 40))};
}"""
# What a colour scheme decides: text that is too faint on what lies behind it.
CONTRAST = """scheme => {
  document.body.setAttribute('data-md-color-scheme', scheme);
  const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', {willReadFrequently: true}), cache = new Map();
  const parse = c => { if (!cache.has(c)) { context.clearRect(0, 0, 1, 1); context.fillStyle = c;
      context.fillRect(0, 0, 1, 1); const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
      cache.set(c, [r, g, b, a / 255]); } return cache.get(c); };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const grounds = new Map([[null, [255, 255, 255, 1]]]);
  const ground = e => { if (!grounds.has(e)) { const c = parse(getComputedStyle(e).backgroundColor);
      grounds.set(e, c[3] === 1 ? c : over(c, ground(e.parentElement))); } return grounds.get(e); };
  const luminance = c => { const f = v => { v /= 255;
      return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
      return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const seen = new Set(), kinds = new Set(), faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
    if (!text || seen.has(e)) continue;
    seen.add(e);
    if (e.closest('script, style, .katex-mathml, .headerlink, svg, .md-search, .md-skip, dialog')) continue;
    if (e.closest('pre, .katex')) {  // of the many marks in code and formulas one of a kind tells
      if (kinds.has(e.className)) continue;
      kinds.add(e.className); }
    if (!e.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const style = getComputedStyle(e), size = parseFloat(style.fontSize), low = ground(e);
    const [x, y] = [luminance(over(parse(style.color), low)), luminance(low)].sort((p, q) => q - p);
    const large = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
    const least = large ? 3 : 4.5, ratio = (x + 0.05) / (y + 0.05);
    if (ratio < least) faint.push(ratio.toFixed(2) + ' ' + e.className + ' ' + text.slice(0, 40));
  }
  return {faint, dark: luminance(ground(document.body)) < 0.2};
}"""
# What neither decides.
CONTENT = """() => ({
  links: [...document.querySelectorAll('a[href]')].map(a => a.href),
  anchors: [...document.querySelectorAll('[id], a[name]')].map(e => e.id || e.getAttribute('name')),
  images: [...document.querySelectorAll('.md-content img, .md-content svg[role=img]')].map(i => ({
      name: i.getAttribute('src') || 'svg', alt: i.getAttribute('alt') || i.getAttribute('aria-label') || '',
      shown: i.tagName !== 'IMG' || i.naturalWidth > 0})),
  bare: [...document.querySelectorAll('.arithmatex:not(:has(.katex-html))')].map(e => e.textContent),
  headings: document.querySelectorAll('h1').length,
})"""


@dataclass
class Visit:
    """What one page showed at all widths and in all colour schemes."""

    address: str
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder to this machine alone, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def pages(site: Path) -> list[str]:
    """Addresses of all pages of a built site, relative to it."""
    return sorted(
        path.relative_to(site).as_posix().removesuffix("index.html") for path in site.rglob("*.html")
    )


class Visitor:
    """One tab that goes from page to page, and notes what each page says and asks for."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self._base = base
        self._seen = Visit(base)
        self._script = True
        self._tab = context.new_page()
        self._tab.set_default_timeout(_PATIENCE)
        # Each page would make the index of the whole site anew; the search has a test of its own.
        self._tab.route("**/search_index.json", lambda route: route.fulfill(json=_NO_INDEX))
        self._tab.route("**/bundle.*.js", self._bundle)
        self._tab.on("console", self._console)
        self._tab.on("pageerror", lambda error: self._seen.faults.append(f"error: {error}"))
        self._tab.on("request", self._request)
        self._tab.on("response", self._response)

    def visit(self, page: str, *, script: bool = True) -> Visit:
        """Load a page once and look at it at each width and in each colour scheme.

        Without `script` the theme's own script is left out, which is the same file on every page and takes
        most of the time on long ones.
        """
        self._seen = Visit(self._base + page)
        self._script = script
        self._tab.goto(self._seen.address, wait_until="load")
        _look(self._tab, self._seen)
        return self._seen

    def _bundle(self, route) -> None:
        if self._script:
            route.continue_()
        else:
            route.fulfill(body="", content_type="text/javascript")

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self._seen.faults.append(f"console: {message.text}")

    def _request(self, request) -> None:
        if not request.url.startswith((self._base, "data:", "blob:")):
            self._seen.faults.append(f"leaves the site: {request.url}")

    def _response(self, response) -> None:
        if response.status >= 400:
            self._seen.faults.append(f"answer {response.status}: {response.url}")


def _look(tab: Page, seen: Visit) -> None:
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        found = tab.evaluate(LAYOUT)
        if found["viewport"] != width or found["scroll"] > width:
            seen.faults.append(f"scrolls sideways at {width}: {found['scroll']}, {found['wide']}")
        seen.faults += [f"reaches beyond {width}: {text}" for text in found["wide"]]
    for scheme, name in SCHEMES.items():
        found = tab.evaluate(CONTRAST, name)
        if found["dark"] != (scheme == "dark"):
            seen.faults.append(f"is not {scheme}")
        seen.faults += [f"faint in {scheme}: {text}" for text in found["faint"]]
    found = tab.evaluate(CONTENT)
    seen.links, seen.anchors = found["links"], set(found["anchors"])
    seen.faults += [f"picture missing: {image['name']}" for image in found["images"] if not image["shown"]]
    seen.faults += [
        f"picture without words: {image['name']}" for image in found["images"] if not image["alt"]
    ]
    seen.faults += [f"formula not typeset: {text}" for text in found["bare"]]
    if found["headings"] != 1:
        seen.faults.append(f"{found['headings']} headings of the first level")


def broken_links(visits: list[Visit], site: Path, base: str) -> list[str]:
    """Links within the site that lead to no file, or to no place in it."""
    anchors = {seen.address: seen.anchors for seen in visits}
    found = []
    for seen in visits:
        for link in sorted(set(seen.links)):
            address, place = urldefrag(link)
            if not address.startswith(base):
                continue
            path = site / unquote(address.removeprefix(base)).split("?")[0]
            if not (path / "index.html" if path.is_dir() else path).is_file():
                found.append(f"{seen.address}: no page {link}")
            elif place and address in anchors and unquote(place) not in anchors[address]:
                found.append(f"{seen.address}: no place {link}")
    return found
