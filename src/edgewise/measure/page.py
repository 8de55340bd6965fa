"""Pages with charts that open offline: one HTML file, pictures inside it as SVG.

Drawn with Matplotlib (extra `pages`), imported when a page is made.
"""

from __future__ import annotations

import html
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgewise.errors import MissingExtra
from edgewise.files import write_atomically

INK, GRID = "#1b2733", "#d9dfe5"
COLOURS = ("#0b6e99", "#d9822b", "#6a51a3", "#3f8f4f", "#b23a48", "#8a8d91")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b2733; margin: 2.5rem auto;
       max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p { overflow-wrap: anywhere; } p.facts { color: #5c6b7a; margin-top: .2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #e4e8ec; }
th { color: #5c6b7a; font-weight: 600; } th:first-child, td:first-child { text-align: left; }
td.name { max-width: 24rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
figure { margin: 1rem 0; } figure svg { width: 100%; height: auto; }
.wide { overflow-x: auto; }
@media (max-width: 44rem) {
  body { margin: 1rem auto; } th, td { padding: .25rem .4rem; font-size: .85rem; }
  td.name { max-width: 11rem; } figure { overflow-x: auto; }
  figure svg { width: 40rem; max-width: none; }
}
"""


@contextmanager
def figure(width: float, height: float, into: list[str]) -> Iterator[Any]:
    """An Axes to draw on, in inches; its SVG is added to `into`. Any: Matplotlib's.

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("a page with charts", "pages") from None
    looks: Any = {  # Matplotlib types every key
        "svg.fonttype": "path",
        "svg.hashsalt": "edgewise",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": GRID,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": GRID,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with mpl.rc_context(looks):
        drawn = Figure(figsize=(width, height), layout="constrained")
        yield drawn.add_subplot()
        text = io.StringIO()
        drawn.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    svg = text.getvalue()
    into.append(f"<figure>{svg[svg.index('<svg') :]}</figure>")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table, the first column left-aligned."""
    lines = [
        '<div class="wide"><table><tr>'
        + "".join(f"<th>{html.escape(h)}</th>" for h in head)
        + "</tr>"
    ]
    for name, *cells in rows:
        numbers = "".join(f"<td>{html.escape(c)}</td>" for c in cells)
        title = html.escape(name, quote=True)
        lines.append(f'<tr><td class="name" title="{title}">{html.escape(name)}</td>{numbers}</tr>')
    return "\n".join([*lines, "</table></div>"])


def write(
    path: Path, title: str, facts: str, parts: Sequence[str], *, overwrite: bool = False
) -> None:
    """One HTML file. Raises OutputError: see `files.write_atomically`."""
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
        f'<h1>{html.escape(title)}</h1><p class="facts">{html.escape(facts)}</p>'
        + "\n".join(parts)
        + "</html>\n"
    )
    write_atomically(path, [page.encode(errors="backslashreplace")], overwrite=overwrite)


def heading(text: str) -> str:
    """A section begins."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str) -> str:
    """A line of text."""
    return f"<p>{html.escape(text)}</p>"
