"""The page of `edgewise evaluate`: how good classifiers are, and where they are wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgewise.data import Data
from edgewise.data.image import shown
from edgewise.errors import InputError
from edgewise.measure.page import (
    COLOURS,
    GRID,
    INK,
    Card,
    Thumb,
    cards,
    figure,
    gallery,
    heading,
    paragraph,
    side_by_side,
    table,
    thumbnail,
    write,
)
from edgewise.metrics import Calibration, wilson
from edgewise.optimize.evaluate import Evaluation, Versus, versus
from edgewise.runtime.workers import ordered

_MOST_DRAWN = 25  # classes in the picture of a confusion matrix
_MOST_ROWS = 50  # classes in the table
_LEAST_TOLD = 5  # examples of some class, for the table
_MOST_PAIRS = 20
_MOST_MISTAKES = 16


def evaluation_page(
    path: Path, found: Sequence[Evaluation], data: Data, *, overwrite: bool = False
) -> None:
    """Write the page. The first of several models is what the others are compared with.

    Raises:
        OutputError: the file cannot be written. MissingExtra: Matplotlib is not installed.
    """
    names = _short_names(found)
    parts = [cards([_card(one, name) for one, name in zip(found, names, strict=True)])]
    parts += [paragraph(sentence) for sentence in verdict(found)]
    parts.append(heading("Accuracy"))
    with figure(6.5, 0.9 + 0.45 * len(found), parts) as axes:
        _accuracies(axes, found, names)
    parts += _confusions(found, names)
    parts += _classes(found, names)
    parts.append(heading("Is it as sure as it is right?"))
    parts.append(
        paragraph(
            "A dot is a group of examples with alike confidence, the line through it the 95 % "
            "interval of how many of them are right. Below the diagonal the model is surer than it "
            "is right; the calibration error is the mean distance from it."
        )
    )
    with figure(6.5, 4.0, parts) as axes:
        _reliability(axes, [(n, one.calibration) for n, one in zip(names, found, strict=True)])
    surest = "The surest mistakes" + f" of {names[0]}" * (len(found) > 1)
    parts += _mistakes(found[0], data, surest, found[0].outcomes.rank > 0)
    for one, name in zip(found[1:], names[1:], strict=True):
        title = f"Wrong in {name} only"
        parts += _mistakes(one, data, title, (one.outcomes.rank > 0) & (found[0].outcomes.rank < 1))
    notes = dict.fromkeys(sentence for one in found for sentence in one.notes)
    parts += [heading("How it was measured"), paragraph("; ".join(notes) + ".")]
    parts.append(
        paragraph(
            "Intervals hold the true value with 95 % confidence. One inference runs on one thread; "
            "its time is the median of up to 50."
        )
    )
    skipped = found[0].skipped
    if skipped:
        parts.append(heading(f"{len(skipped)} files left out"))
        parts += [paragraph(sentence) for sentence in skipped[:_MOST_PAIRS]]
    first = found[0]
    facts = f"{first.examples:,} examples of {len(first.classes_seen)} classes, {first.data}"
    write(path, " and ".join(names), facts, parts, overwrite=overwrite)


def verdict(found: Sequence[Evaluation]) -> list[str]:
    """What came out, in sentences for somebody in a hurry."""
    first, *others = found
    names = _short_names(found)
    wrong = first.examples - round(first.top1.value * first.examples)
    said = [
        f"{names[0]} is right on {first.top1.percent()} of the examples and wrong on {wrong}."
        + _sure(first)
    ]
    for one, name in zip(others, names[1:], strict=True):
        said.append(_against(versus(first, one), names[0], name) + _cheaper(first, one))
    return said


def _sure(one: Evaluation) -> str:
    bins = one.calibration.bins
    count = sum(b.count for b in bins) or 1
    gap = sum(b.count * (b.confidence - b.accuracy) for b in bins) / count
    if abs(gap) < 0.01:
        return " It is about as sure as it is right."
    return f" It is {100 * abs(gap):.0f} points {'surer' if gap > 0 else 'less sure'} than right."


def _against(difference: Versus, first: str, second: str) -> str:
    d = difference.difference
    ends = f"[{100 * d.low:.1f}, {100 * d.high:.1f}]"
    if d.value == 0:
        said = f"{second} is right as often as {first} {ends}"
    else:
        word = "better" if d.value > 0 else "worse"
        chance = "" if difference.p < 0.05 else ", which may be chance"
        if chance and not d.low <= 0 <= d.high:  # the exact test is more careful
            chance = ", at the edge of what may be chance"
        said = f"{second} is {100 * abs(d.value):.1f} points {word} than {first} {ends}{chance}"
    return (
        f"{said}: {difference.lost} examples are right in {first} only, {difference.gained} in "
        f"{second} only (McNemar p = {difference.p:.2g})."
    )


def _cheaper(first: Evaluation, one: Evaluation) -> str:
    said = ""
    if first.bytes and one.bytes:
        said += f" It has {one.bytes / first.bytes:.0%} of the bytes"
    if first.seconds and one.seconds:
        said += f"{' and' if said else ' It'} takes {one.seconds / first.seconds:.0%} of the time"
    return f"{said}." if said else ""


def _card(one: Evaluation, name: str) -> Card:
    lines = [f"of {one.examples:,} examples right {_ends(one)}"]
    if one.top5 is not None:
        lines.append(f"{100 * one.top5.value:.1f} % among the best five")
    if one.bytes is not None:
        lines.append(f"{_size(one.bytes)}")
    lines += [
        f"{one.seconds * 1e3:.3g} ms per inference",
        f"calibration error {100 * one.calibration.error:.1f} %",
        f"mean F1 of classes {_percent(one.macro_f1)}",
    ]
    return Card(name, f"{100 * one.top1.value:.1f} %", tuple(lines))


def _ends(one: Evaluation) -> str:
    return f"[{100 * one.top1.low:.1f}, {100 * one.top1.high:.1f}]"


def _size(count: int) -> str:
    return f"{count / 1e6:.3g} MB" if count >= 10**6 else f"{count / 1e3:.3g} kB"


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f} %"


def _short_names(found: Sequence[Evaluation]) -> list[str]:
    """File names without suffix, with their folder where two are alike."""
    names = [Path(one.model).stem for one in found]
    if len(set(names)) < len(names):
        names = ["/".join(Path(one.model).parts[-2:]) for one in found]
    return names


def _accuracies(axes: Any, found: Sequence[Evaluation], names: Sequence[str]) -> None:
    """Any: Matplotlib's. Shares with their intervals."""
    for place, one in enumerate(found):
        value, low, high = (100 * x for x in (one.top1.value, one.top1.low, one.top1.high))
        axes.plot(
            [low, high],
            [place, place],
            color=COLOURS[place % 6],
            linewidth=6,
            alpha=0.35,
            solid_capstyle="round",
        )
        axes.plot(value, place, "o", color=COLOURS[place % 6], markersize=9)
        axes.annotate(
            f"{value:.1f} %",
            (value, place),
            xytext=(0, 9),
            ha="center",
            textcoords="offset points",
            fontsize=9,
        )
    axes.set_yticks(range(len(found)), names)
    axes.set_ylim(len(found) - 0.5, -0.7)
    least = min(one.top1.low for one in found)
    axes.set_xlim(max(0.0, 100 * least - 5), 101)
    axes.set_xlabel("% of the examples right; the bar is the 95 % interval")
    axes.grid(axis="x")


def _confusions(found: Sequence[Evaluation], names: Sequence[str]) -> list[str]:
    drawn = []
    for one, name in zip(found, names, strict=True):
        matrix, places = one.confusion()
        if len(places) > _MOST_DRAWN:
            return _pairs(found[0])
        into: list[str] = []
        side = min(7.0, 2.4 + 0.42 * len(places))
        with figure(side + 0.6, side, into) as axes:
            _matrix(axes, matrix, [one.label(i) for i in places])
        drawn.append((name, into[0]))
    return [heading("What is taken for what"), side_by_side(drawn)]


def _pairs(one: Evaluation) -> list[str]:
    """What happens more than once, of many classes."""
    matrix, places = one.confusion()
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
    rows = []
    for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[i, j] > 1:
            share = f"{wrong[i, j] / matrix[i].sum():.0%}"
            pair = f"{one.label(places[i])} as {one.label(places[j])}"
            rows.append((pair, str(wrong[i, j]), share))
    title = heading("What is taken for what, most often")
    if not rows:
        return [title, paragraph("No class is taken for the same other one twice.")]
    return [title, table(("class", "times", "of its examples"), rows)]


def _matrix(axes: Any, matrix: np.ndarray, names: Sequence[str]) -> None:
    """Any: Matplotlib's. Shares of each row as shades, counts as text."""
    from matplotlib.colors import LinearSegmentedColormap

    shares = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    shades = LinearSegmentedColormap.from_list("shares", ["#ffffff", COLOURS[0]])
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1, aspect="equal")
    size = 10 if len(names) <= 12 else 7
    for i, j in np.ndindex(*matrix.shape):
        if matrix[i, j]:
            tone = "white" if shares[i, j] > 0.5 else INK
            axes.text(j, i, str(matrix[i, j]), ha="center", va="center", color=tone, fontsize=size)
    short = [name if len(name) < 22 else f"{name[:20]}…" for name in names]
    turn = {} if len(names) <= 4 else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(names)), short, **turn)
    axes.set_yticks(range(len(names)), short)
    axes.set_xlabel("called")
    axes.set_ylabel("is")
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_xticks(np.arange(-0.5, len(names)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(names)), minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.8)
    axes.tick_params(which="minor", length=0)


def _classes(found: Sequence[Evaluation], names: Sequence[str]) -> list[str]:
    by_model = [{score.index: score for score in one.class_scores} for one in found]
    first, seen = found[0], found[0].classes_seen
    if max(by_model[0][i].support for i in seen) < _LEAST_TOLD:
        few = f"No class has {_LEAST_TOLD} examples, so nothing is told of single ones."
        return [heading("Classes"), paragraph(few)]
    places = sorted(seen, key=lambda i: by_model[0][i].recall)[:_MOST_ROWS]
    rows = []
    for i in sorted(places) if len(seen) <= _MOST_ROWS else places:
        cells = [str(by_model[0][i].support)]
        for scores in by_model:
            score = scores[i]
            cells += map(_percent, (score.precision, score.recall, score.f1))
        rows.append((first.label(i), *cells))
    head = ["class", "examples"]
    for name in names:
        of = f" {name}" if len(names) > 1 else ""
        head += [f"precision{of}", f"recall{of}", f"F1{of}"]
    parts = [heading("Classes"), table(head, rows)]
    if len(seen) > _MOST_ROWS:
        parts.append(paragraph(f"These are the {_MOST_ROWS} least recalled of {len(seen)}."))
    return parts


def _reliability(axes: Any, found: Sequence[tuple[str, Calibration]]) -> None:
    """Any: Matplotlib's."""
    axes.plot([0, 100], [0, 100], color=GRID, linewidth=2)
    for place, (name, known) in enumerate(found):
        count = max(1, sum(b.count for b in known.bins))
        tone, shift = COLOURS[place % len(COLOURS)], 0.5 * place  # so that lines stay apart
        for b in known.bins:
            ends = wilson(round(b.accuracy * b.count), b.count)
            at = 100 * b.confidence + shift
            axes.plot([at, at], [100 * ends.low, 100 * ends.high], color=tone, alpha=0.35)
        axes.scatter(
            [100 * b.confidence + shift for b in known.bins],
            [100 * b.accuracy for b in known.bins],
            s=[15 + 250 * b.count / count for b in known.bins],
            color=tone,
            alpha=0.75,
            linewidths=0,
            label=f"{name}, error {100 * known.error:.1f} %",
        )
    axes.set_xlabel("confidence, %")
    axes.set_ylabel("right, %")
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 104)
    axes.grid()
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0)


def _mistakes(one: Evaluation, data: Data, title: str, are_wrong: np.ndarray) -> list[str]:
    """The surest of these examples as pictures."""
    outcomes = one.outcomes
    wrong = np.flatnonzero(are_wrong)
    worst = wrong[np.argsort(-outcomes.confidence[wrong], kind="stable")][:_MOST_MISTAKES]

    def make(i: int) -> Thumb:
        picture = _picture(data, int(outcomes.place[i]))
        said = f"{one.label(int(outcomes.predicted[i]))} {outcomes.confidence[i]:.0%}"
        jpeg = None if picture is None else thumbnail(picture)
        label = one.label(int(outcomes.label[i]))
        return Thumb(jpeg, f"says {said}", f"is {label}; {outcomes.names[i]}")

    if not len(worst):
        return [heading(title), paragraph("None.")]
    which = "" if len(worst) == len(wrong) else f", {len(worst)} of {len(wrong)}"
    return [heading(f"{title}{which}"), gallery(list(ordered(make, worst)))]


def _picture(data: Data, place: int) -> Image.Image | None:
    if data.get is None:
        return None
    try:
        return shown(data.get(place).inputs)
    except InputError:  # it was there a moment ago
        return None
