"""Show the formulas of docstrings as formulas: plain text in the code, TeX on the site."""

import html
import re
import tomllib
from pathlib import Path

from mkdocs.plugins import get_plugin_logger

_BLOCK = re.compile(r'<div class="(?:language-\w+ )?highlight"><pre>(.*?)</pre></div>', re.DOTALL)
_logger = get_plugin_logger("formulas")
_table: dict[str, str] = {}
_shown: set[str] = set()


def plain(text: str) -> str:
    """A formula without what does not count: white space, and a stop at its end."""
    return " ".join(text.split()).rstrip(".,")


def on_config(config):
    """Read the table; mkdocs calls this before each build."""
    _table.clear()
    _shown.clear()
    source = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    _table.update((plain(entry["plain"]), entry["tex"]) for entry in tomllib.loads(source)["formula"])
    return config


def on_page_content(content, *, page, config, files):
    """Replace each block whose text is in the table."""
    return _BLOCK.sub(_rendered, content)


def on_post_build(*, config):
    """A formula that no page shows has changed in its docstring: say so, which fails a strict build."""
    for text in sorted(_table.keys() - _shown):
        _logger.warning(f"docs/hooks/formulas.toml holds a formula that no docstring has: {text}")


def _rendered(block: re.Match) -> str:
    text = plain(html.unescape(re.sub(r"<[^>]+>", "", block[1])))
    if text not in _table:
        return block[0]
    _shown.add(text)
    return f'<div class="arithmatex">\\[{html.escape(_table[text], quote=False)}\\]</div>'
