"""The page of `edgewise compare`: what a model loses against another, and in which layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgewise.measure.page import (
    COLOURS,
    GRID,
    figure,
    heading,
    logarithmic,
    paragraph,
    short,
    table,
    write,
)
from edgewise.optimize.compare import Comparison, Layer

_MOST_BARS = 20  # layers in the charts of the worst
_MOST_SNR = 80.0  # dB at the top; what is better is exact for any purpose
_LABELLED = 5  # of the worst layers, by number


def compare_page(path: Path, found: Comparison, *, overwrite: bool = False) -> None:
    """Write the page.

    Raises:
        OutputError: the file cannot be written. MissingExtra: Matplotlib is not installed.
    """
    layers = sorted(found.layers, key=lambda r: r.index)
    worst = [r for r in found.layers if r.damage > 0][:_MOST_BARS]
    parts = [paragraph(verdict(found)), heading("The whole task"), _task_table(found)]
    if layers:
        parts.append(heading("Signal to noise from the input to the output"))
        with figure(6.5, 3.6, parts) as axes:
            _along(axes, layers, worst[:_LABELLED])
    if worst:
        parts.append(heading(f"Noise that each layer adds ({len(worst)} worst)"))
        with figure(6.5, 1 + 0.3 * len(worst), parts) as axes:
            _damage(axes, worst)
    quantized = [r for r in worst if not math.isnan(r.range_use)]
    if quantized:
        parts.append(heading("How these layers use the range of their type"))
        with figure(6.5, 1 + 0.3 * len(quantized), parts) as axes:
            _ranges(axes, quantized)
    parts += [heading("All layers, most damage first"), table(HEAD, list(map(cells, found.layers)))]
    parts += [paragraph(f"Layers without a counterpart: {', '.join(found.unmatched)}")][
        : bool(found.unmatched)
    ]
    parts += [paragraph(sentence) for sentence in (*found.notes, *found.skipped)]
    names = [Path(name).name for name in found.models]
    facts = f"{found.data}; layers on {found.layer_examples} examples"
    write(path, f"{names[1]} against {names[0]}", facts, parts, overwrite=overwrite)


HEAD = (
    "layer",
    "operator",
    "type",
    "own SNR dB",
    "SNR dB",
    "inherited",
    "cosine",
    "clipped",
    "range use",
    "bytes",
)


def cells(row: Layer) -> tuple[str, ...]:
    """A row of the table of layers."""
    return (
        f"{row.index} {row.name}",
        row.operator,
        row.dtype,
        _number(row.own_snr),
        _number(row.snr),
        _share(row.inherited),
        f"{row.cosine:.5f}",
        _share(row.clipped),
        _share(row.range_use),
        f"{row.bytes[0]:,} -> {row.bytes[1]:,}" if any(row.bytes) else "",
    )


def verdict(found: Comparison) -> str:
    """What happened, in two sentences for somebody in a hurry."""
    task, said = found.task, ""
    if task is not None and task.difference is not None:
        points = 100 * task.difference.value
        low, high = 100 * task.difference.low, 100 * task.difference.high
        is_clear = "" if task.p < 0.05 else ", which may be chance"
        said = (
            f"The second model is {abs(points):.1f} points {'worse' if points < 0 else 'better'} "
            f"in top-1 [{low:.1f}, {high:.1f}]{is_clear} (McNemar p = {task.p:.2g}). "
        )
        if points == 0:
            said = f"Top-1 of both models is the same [{low:.1f}, {high:.1f}]. "
    elif task is not None:
        said = f"The models agree on {task.agreement.percent()} of the examples. "
    worst = next((r for r in found.layers if r.damage > 0), None)
    if worst is not None:
        said += (
            f"Most noise is added by {worst.operator} {worst.name!r}, whose own signal to noise "
            f"ratio is {worst.own_snr:.1f} dB."
        )
    return said


def task_rows(found: Comparison) -> list[tuple[str, str, str]]:
    """(what, of the first model, of the second) for a table."""
    rows: list[tuple[str, str, str]] = []
    task = found.task
    if task is not None and task.top1 is not None:
        rows.append(("top-1", task.top1[0].percent(), task.top1[1].percent()))
        if task.top5 is not None:
            rows.append(("top-5", task.top5[0].percent(), task.top5[1].percent()))
        rows.append(("right only here", str(task.lost), str(task.gained)))
    sizes = [f"{size or 0:,} B" for size in found.bytes]
    if None not in found.bytes:
        rows.append(("size", sizes[0], sizes[1]))
    times = [f"{seconds * 1e3:.2f} ms" for seconds in found.seconds]
    rows.append(("one inference", times[0], times[1]))
    if task is not None:
        rows.append(("agreement", "", task.agreement.percent()))
        d = task.divergence
        rows.append(("mean KL, nats", "", f"{d.value:.4g} [{d.low:.4g}, {d.high:.4g}]"))
        rows.append(("SNR of the scores", "", f"{_number(task.snr)} dB"))
    return rows


def _task_table(found: Comparison) -> str:
    examples = "" if found.task is None else f"{found.task.examples} examples"
    names = [Path(name).name for name in found.models]
    return table((examples, *names), task_rows(found))


def _along(axes: Any, layers: Sequence[Layer], worst: Sequence[Layer]) -> None:
    """Any: Matplotlib's. The layers in order; own noise as dots, all noise as a line."""
    places = [r.index for r in layers]
    axes.plot(places, [_shown(r.snr) for r in layers], color=COLOURS[0], label="whole run")
    known = [r for r in layers if not math.isnan(r.own_snr)]
    axes.plot(
        [r.index for r in known],
        [_shown(r.own_snr) for r in known],
        "o",
        color=COLOURS[1],
        markersize=4,
        label="layer alone, on the other model's inputs",
    )
    for r in worst:
        axes.annotate(
            str(r.index),
            (r.index, _shown(r.own_snr)),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=COLOURS[4],
        )
    axes.set_xlabel("layer, in order; the numbers are those of the worst below")
    axes.set_ylabel("dB, higher is better")
    axes.set_ylim(bottom=min(0, *(_shown(r.snr) for r in layers)) - 5)
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    axes.grid(axis="y")


def _damage(axes: Any, worst: Sequence[Layer]) -> None:
    """Any: Matplotlib's. Noise as a share of the signal's power, on a logarithmic scale."""
    places = range(len(worst))
    whole = [max(1e-9, 10 ** (-r.snr / 10)) for r in worst]
    axes.barh(places, whole, color=GRID, label="in a whole run", height=0.75)
    own = [max(1e-9, r.damage) for r in worst]
    axes.barh(places, own, color=COLOURS[1], label="added by the layer", height=0.45)
    logarithmic(axes)
    axes.set_yticks(places, [f"{r.index} {short(r.name)}" for r in worst], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("noise power / signal power")
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    axes.grid(axis="x")


def _ranges(axes: Any, rows: Sequence[Layer]) -> None:
    """Any: Matplotlib's."""
    places = range(len(rows))
    axes.barh(places, [100 * r.range_use for r in rows], color=COLOURS[3], height=0.6)
    for place, r in enumerate(rows):
        if r.clipped > 0:
            axes.annotate(
                f" {_share(r.clipped)} clipped",
                (100 * r.range_use, place),
                va="center",
                fontsize=8,
                color=COLOURS[4],
            )
    axes.set_yticks(places, [f"{r.index} {short(r.name)}" for r in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 118)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel("% of the type's integers that occur")
    axes.grid(axis="x")


def _shown(snr: float) -> float:
    return min(_MOST_SNR, max(-20.0, snr)) if not math.isnan(snr) else math.nan


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    return "exact" if value == math.inf else f"{value:.1f}"


def _share(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{100 * value:.0f} %" if value == 0 or value >= 0.01 else f"{100 * value:.2g} %"
