"""The pages of `edgewise benchmark` and `edgewise profile`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgewise.measure.page import COLOURS, GRID, figure, heading, paragraph, table, write
from edgewise.measure.peers import HEADS, Measurement
from edgewise.measure.profile import Profile

_MOST_BARS = 40  # operators in the chart of a profile; the table has all


def benchmark_page(
    path: Path, model: Path, threads: int, found: Sequence[Measurement], *, overwrite: bool = False
) -> None:
    """Write the page: a strip of every inference's time per runtime, load times, the numbers.

    Raises:
        OutputError: the file cannot be written. MissingExtra: Matplotlib is not installed.
    """
    ran = [m for m in found if not m.error]
    parts: list[str] = [heading("Time of one inference")]
    with figure(6.5, 0.8 + 0.6 * len(ran), parts) as axes:
        shown_ms = _most_shown(ran) * 1e3
        for place, m in enumerate(ran):
            _strip(axes, place, m, COLOURS[place % len(COLOURS)], shown_ms)
        axes.set_yticks(range(len(ran)), [f"{m.runtime} {m.version}" for m in ran])
        axes.invert_yaxis()
        axes.set_xlim(0, shown_ms * 1.02)
        axes.set_xlabel("milliseconds; a dot is an inference (slower ones stand at the right edge)")
        axes.grid(axis="x")
    parts.append(heading("From opening the file to the first result"))
    with figure(6.5, 0.8 + 0.5 * len(ran), parts) as axes:
        load = [m.load_s * 1e3 for m in ran]
        axes.barh(range(len(ran)), load, color=COLOURS[0], label="load", height=0.6)
        first = [m.first_s * 1e3 for m in ran]
        axes.barh(
            range(len(ran)), first, left=load, color=COLOURS[1], label="first run", height=0.6
        )
        axes.set_yticks(range(len(ran)), [m.runtime for m in ran])
        axes.invert_yaxis()
        axes.set_xlabel("milliseconds, without importing the runtime")
        axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
        axes.grid(axis="x")
    parts += [heading("Numbers"), _numbers(ran)]
    parts += [paragraph(f"{m.runtime} does not run it: {m.error}") for m in found if m.error]
    facts = f"{threads} thread{'s'[: threads != 1]}, runtimes measured by turns"
    write(path, _title(model), facts, parts, overwrite=overwrite)


def profile_page(path: Path, model: Path, profile: Profile, *, overwrite: bool = False) -> None:
    """Write the page: time per operator against what the machine could do, and the table.

    Raises:
        OutputError: the file cannot be written. MissingExtra: Matplotlib is not installed.
    """
    rows = sorted(profile.rows, key=lambda r: -r.seconds)
    shown = sorted(rows[:_MOST_BARS], key=lambda r: r.index)
    parts: list[str] = [heading("Where the time goes, by kind of operator")]
    kinds = profile.by_kind()
    with figure(6.5, 0.8 + 0.35 * len(kinds), parts) as axes:
        names = [f"{kind}  x{count}" for kind, count, _ in kinds]
        axes.barh(names, [s * 1e3 for _, _, s in kinds], color=COLOURS[0], height=0.65)
        axes.invert_yaxis()
        axes.set_xlabel("milliseconds")
        axes.grid(axis="x")
    which = "" if len(shown) == len(rows) else f" ({len(shown)} slowest of {len(rows)})"
    parts.append(heading(f"Operators in order{which}"))
    with figure(6.5, 0.8 + 0.24 * len(shown), parts) as axes:
        places = range(len(shown))
        axes.barh(places, [r.seconds * 1e3 for r in shown], color=GRID, label="measured")
        least = [r.least_seconds * 1e3 for r in shown]
        axes.barh(places, least, color=COLOURS[1], label="at the machine's peak", height=0.45)
        axes.set_yticks(places, [f"{r.index} {r.operator}" for r in shown], fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("milliseconds")
        axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
        axes.grid(axis="x")
    head = ("operator", "ms", "share", "MMAC", "GFLOP/s", "GB/s", "of peak", "runs in")
    lines = [(f"{r.index} {r.operator} {r.layer}".strip(), *r.cells()) for r in rows]
    parts += [heading("All operators, slowest first"), table(head, lines)]
    write(path, _title(model), profile.facts(), parts, overwrite=overwrite)


def _title(model: Path) -> str:
    return "/".join(model.parts[-2:])


def _most_shown(ran: Sequence[Measurement]) -> float:
    """Seconds at the right edge: disturbed inferences must not squeeze the others."""
    return 1.6 * max(m.median for m in ran)


def _strip(axes: object, place: int, m: Measurement, colour: str, most_ms: float) -> None:
    import matplotlib.axes as mpl

    assert isinstance(axes, mpl.Axes)
    times = [min(t * 1e3, most_ms) for t in m.times]
    axes.barh(place, m.median * 1e3, color=colour, alpha=0.35, height=0.6)
    # neighbouring runs at different heights, so that dots on one another can be told apart
    heights = [place - 0.25 + 0.5 * (i * 0.618 % 1) for i in range(len(times))]
    axes.plot(times, heights, ".", color=colour, markersize=3, alpha=0.5, markeredgewidth=0)
    is_short = m.median * 1e3 < most_ms / 8  # a number does not fit in the bar
    side = "left" if is_short else "right"
    axes.annotate(f" {m.median * 1e3:.3g} ", (m.median * 1e3, place), ha=side, va="center")


def _numbers(ran: Sequence[Measurement]) -> str:
    rows = [
        (
            f"{m.runtime} {m.version}",
            *m.cells(ran[0]),
            "" if m.memory is None else f"{m.memory / 1e6:.0f}",
        )
        for m in ran
    ]
    return table(("runtime", *HEADS, "memory MB"), rows)
