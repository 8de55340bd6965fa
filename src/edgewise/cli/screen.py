"""What verbs share on screen: lines, tables, a progress bar, sizes and times as text.

Text from files never reaches the terminal as it is: what is not printable (control characters,
lone surrogates, marks that turn the writing direction) is shown as an escape, and nothing is
interpreted as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from edgewise.cli.visible import visible

console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
_errors = Console(stderr=True, highlight=False, markup=False, emoji=False)
_NARROWEST = 24  # columns that the last column of a table keeps at least


def say(text: str = "", *, title: str = "", style: str = "bold", after: str = "") -> None:
    """Print one line: `title` in a style, `text`, and `after` in green."""
    line = Text(visible(title), style if title else "")
    line.append(("  " if title and text else "") + visible(text), "not bold")
    line.append(visible(after), "not bold green")
    console.print(line)


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
) -> list[str]:
    """The lines of a table, the first being its head; columns in `right` are right-aligned, and
    columns without any contents are left out.

    On a terminal the last column is cut, with an ellipsis, where the line would not fit; in a file
    or a pipe nothing is cut.
    """
    used = [i for i in range(len(head)) if any(row[i] for row in rows)] or [0]
    right = [place for place, i in enumerate(used) if i in right]
    cells = [[visible(row[i]) for i in used] for row in (head, *rows)]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(used))]
    left = sum(widths[:-1]) + 2 * (len(used) - 1)
    room = max(_NARROWEST, console.width - left) if console.is_terminal else widths[-1]
    lines = []
    for row in cells:
        padded = [
            cell.rjust(width) if i in right else set_cell_size(cell, width)
            for i, (cell, width) in enumerate(zip(row[:-1], widths[:-1], strict=True))
        ]
        last = row[-1]
        if cell_len(last) > room:
            last = set_cell_size(last, room - 1) + "…"
        lines.append("  ".join([*padded, last]).rstrip())
    return lines


def tell_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[int] = (),
    most: int | None = None,
    rest: str = "more",
) -> None:
    """Print a `table`, its head as a title; of rows beyond `most` their number, and `rest`."""
    title, *lines = table(head, rows[:most], right=right)
    say(title=title)
    for line in lines:
        say(line)
    if most is not None and len(rows) > most:
        say(f"and {len(rows) - most} {rest}")


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, if that is a terminal, that goes away when done; call it with
    (done, total)."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    show = _errors.is_terminal
    with Progress(*columns, console=_errors, transient=True, disable=not show) as progress:
        task = progress.add_task(visible(what), total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def size_text(count: int) -> str:
    """Bytes for people: `13.3 MB` (1 MB = 10**6 bytes)."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def count_text(count: int) -> str:
    """Large counts for people: `385 M`."""
    for unit, factor in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return str(count)


def time_text(seconds: float) -> str:
    """Seconds for people: `12.3 ms`, `0.016 ms`."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-4 else f"{seconds * 1e3:.2g} ms"
