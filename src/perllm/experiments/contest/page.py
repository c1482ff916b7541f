"""One page of HTML that needs no network and no other file: tables, and figures as data."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from perllm.experiments.contest.tables import Table

_STYLE: Final = """
:root { color-scheme: light dark; --line: #d9d9d9; --quiet: #6b6b6b; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin-bottom: .3rem; }
p.note { color: var(--quiet); max-width: 60rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem .25rem 0; text-align: right; white-space: nowrap; }
th { color: var(--quiet); font-weight: normal; vertical-align: bottom; }
th.word, td.word { text-align: left; }
img { background: white; display: block; margin: 1rem 0; max-width: 100%; }
"""


def page(heading: str, note: str, tables: Iterable[Table], figures: Sequence[tuple[str, Path]]) -> str:
    """Return the page. Figures are PNG files, each with what it shows."""
    body = [f"<h1>{escape(heading)}</h1>", f'<p class="note">{escape(note)}</p>']
    body += [_table(table) for table in tables]
    body += [f"<h2>{escape(title)}</h2>{_image(title, path)}" for title, path in figures]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(heading)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _table(table: Table) -> str:
    kinds = ["word" if place in table.words else "" for place in range(len(table.columns))]
    head = "".join(_cell("th", kind, text) for kind, text in zip(kinds, table.columns, strict=True))
    rows = "\n".join(
        "<tr>" + "".join(_cell("td", kind, text) for kind, text in zip(kinds, row, strict=True)) + "</tr>"
        for row in table.rows
    )
    return f'<h3>{escape(table.title)}</h3><div class="wide"><table><tr>{head}</tr>\n{rows}</table></div>'


def _cell(tag: str, kind: str, text: str) -> str:
    return f'<{tag} class="{kind}">{escape(text)}</{tag}>' if kind else f"<{tag}>{escape(text)}</{tag}>"


def _image(title: str, path: Path) -> str:
    return f'<img alt="{escape(title)}" src="data:image/png;base64,{b64encode(path.read_bytes()).decode()}">'
