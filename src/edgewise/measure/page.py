"""Pages with charts that open offline: one HTML file, pictures inside it as SVG.

Drawn with Matplotlib (extra `pages`), imported when a page is made.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from PIL import Image

from edgewise.errors import MissingExtra
from edgewise.files import write_atomically
from edgewise.values import dataclass

INK, GRID = "#1b2733", "#d9dfe5"
COLOURS = ("#0b6e99", "#d9822b", "#6a51a3", "#3f8f4f", "#b23a48", "#8a8d91")
_THUMB = 160  # pixels; 4 kB each
_NAME = 34  # characters of a layer's name in a chart

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b2733; margin: 2.5rem auto;
       max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p { overflow-wrap: anywhere; } p.facts { color: #5c6b7a; margin-top: .2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #e4e8ec; }
th { color: #5c6b7a; font-weight: 600; } th:first-child, td:first-child { text-align: left; }
td.name { max-width: 24rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
figure { margin: 1rem 0; max-width: 46rem; } figure svg { width: 100%; height: auto; }
.pair figure { max-width: 30rem; }
.pair { display: grid; gap: 0 1.5rem; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); }
.pair h3 { font-size: .95rem; margin: .6rem 0 0; overflow-wrap: anywhere; }
th { vertical-align: bottom; } td { white-space: nowrap; }
.words, td.words { text-align: left; min-width: 12rem; white-space: normal; }
.wide { overflow-x: auto; }
.cards { display: grid; gap: 1rem; margin: 1.2rem 0;
         grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); }
.cards div { border: 1px solid #e4e8ec; border-radius: 6px; padding: .9rem 1.1rem;
             font-size: .9rem; color: #5c6b7a; }
.cards div > * { display: block; }
.cards b { color: #1b2733; overflow-wrap: anywhere; }
.cards strong { font-size: 2.2rem; line-height: 1.3; font-weight: 650; }
.gallery { display: grid; gap: .6rem; margin: .6rem 0 1.2rem;
           grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); }
.gallery div { font-size: .75rem; line-height: 1.3; overflow-wrap: anywhere; color: #5c6b7a; }
.gallery img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain;
               background: #f0f3f6; border-radius: 3px; margin-bottom: .2rem; }
.gallery b { display: block; color: #1b2733; font-weight: 600; }
@media (max-width: 44rem) {
  body { margin: 1rem auto; } th, td { padding: .25rem .4rem; font-size: .85rem; }
  td.name { max-width: 11rem; } .gallery { grid-template-columns: repeat(3, 1fr); }
}
"""


@contextmanager
def figure(width: float, height: float, into: list[str]) -> Iterator[Any]:
    """An Axes to draw on, in inches; its SVG is added to `into`. Any: Matplotlib's. 6.5 inches are
    the most that is read on a phone without scrolling, which cuts bars where nobody sees it.

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


def logarithmic(axes: Any) -> None:
    """A logarithmic x axis of whole decades, of which alone the powers of ten have labels: what is
    between runs into each other. Any: Matplotlib's."""
    axes.set_xscale("log")
    low, high = (math.log10(end) for end in axes.get_xlim())
    axes.set_xlim(10.0 ** math.floor(low), 10.0 ** math.ceil(high))
    axes.xaxis.set_minor_formatter("")


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, sentences: Sequence[int] = ()
) -> str:
    """An HTML table, the first column and those of `sentences` left-aligned."""
    lines = [
        '<div class="wide"><table><tr>'
        + "".join(
            f"<th{' class=words' * (place in sentences)}>"
            f"{html.escape(h).replace('_', '_<wbr>')}</th>"
            for place, h in enumerate(head)
        )
        + "</tr>"
    ]
    for name, *cells in rows:
        numbers = "".join(
            f"<td{' class=words' * (place in sentences)}>{html.escape(cell)}</td>"
            for place, cell in enumerate(cells, 1)
        )
        title = html.escape(name, quote=True)
        lines.append(f'<tr><td class="name" title="{title}">{html.escape(name)}</td>{numbers}</tr>')
    return "\n".join([*lines, "</table></div>"])


@dataclass(frozen=True, slots=True)
class Card:
    """A large number with what it is of above and lines below it."""

    title: str
    value: str
    lines: tuple[str, ...]


def cards(found: Sequence[Card]) -> str:
    """Cards side by side, or below each other where there is no room; each in its colour."""
    parts = []
    for card, tone in zip(found, cycle(COLOURS), strict=False):
        lines = "".join(f"<span>{html.escape(line)}</span>" for line in card.lines)
        value = f'<strong style="color: {tone}">{html.escape(card.value)}</strong>'
        parts.append(f"<div><b>{html.escape(card.title)}</b>{value}{lines}</div>")
    return '<div class="cards">' + "\n".join(parts) + "</div>"


@dataclass(frozen=True, slots=True)
class Thumb:
    """A small picture (JPEG bytes, or None) with a line in bold and one below it."""

    jpeg: bytes | None
    title: str
    text: str = ""


def thumbnail(image: Image.Image) -> bytes:
    """A picture as a JPEG of at most `_THUMB` pixels on a side."""
    small = image.copy()
    small.thumbnail((_THUMB, _THUMB))
    stream = io.BytesIO()
    small.convert("RGB").save(stream, "JPEG", quality=80)
    return stream.getvalue()


def gallery(thumbs: Sequence[Thumb]) -> str:
    """Pictures side by side, as many in a row as there is room for."""
    parts = []
    for thumb in thumbs:
        data = b"" if thumb.jpeg is None else base64.b64encode(thumb.jpeg)
        source = f"data:image/jpeg;base64,{data.decode()}" if data else ""
        alt = html.escape(f"{thumb.title} {thumb.text}".strip(), quote=True)
        picture = f'<img src="{source}" alt="{alt}">' if source else ""
        title = f"<b>{html.escape(thumb.title)}</b>" if thumb.title else ""
        text = html.escape(thumb.text).replace("/", "/<wbr>")
        parts.append(f"<div>{picture}{title}{text}</div>")
    return '<div class="gallery">' + "\n".join(parts) + "</div>"


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


def short(name: str, most: int = _NAME) -> str:
    """The end of a long name, which tells layers of one block apart."""
    return name if len(name) <= most else "…" + name[1 - most :]


def side_by_side(parts: Sequence[tuple[str, str]]) -> str:
    """Pairs of a title and HTML beside each other, or below where there is no room."""
    inner = "".join(f"<div><h3>{html.escape(title)}</h3>{part}</div>" for title, part in parts)
    return f'<div class="pair">{inner}</div>'


def heading(text: str) -> str:
    """A section begins."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str) -> str:
    """A line of text."""
    return f"<p>{html.escape(text)}</p>"
