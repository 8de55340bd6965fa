"""The page of `edgewise optimize`: the front, the proof, and why each layer got its type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgewise.measure.page import (
    COLOURS,
    GRID,
    INK,
    figure,
    heading,
    logarithmic,
    paragraph,
    short,
    table,
    write,
)
from edgewise.optimize.optimized import BESIDE, Candidate, LayerChoice, Optimized
from edgewise.optimize.search import FLOAT

_MOST_BARS = 25
_MOST_DROP = 12.0  # points over the budget that the chart of the front shows
_LEAST = 1e-7  # nats at the left end of the chart of layers


def optimize_page(path: Path, found: Optimized, name: str, *, overwrite: bool = False) -> None:
    """Write the page.

    Raises:
        OutputError: the file cannot be written. MissingExtra: Matplotlib is not installed.
    """
    parts = [paragraph(verdict(found)), paragraph(found.proof.sentence)]
    parts.append(heading(f"{_axis(found)} and accuracy"))
    with figure(6.5, 4.2, parts) as axes:
        _front(axes, found)
    guilty = [layer for layer in found.layers if layer.damage > _LEAST][:_MOST_BARS]
    if guilty:
        parts.append(heading("What each layer alone costs in 8 bits, in the model as it was given"))
        with figure(6.5, 1.2 + 0.28 * len(guilty), parts) as axes:
            _layers(axes, guilty)
    parts += [
        heading("Layers, the most sensitive first"),
        table(LAYER_HEAD, layer_rows(found), sentences=(4,)),
    ]
    shown = sorted(found.candidates, key=lambda c: c.score.bytes)
    parts.append(
        paragraph("KL is what a layer costs alone, the rest being float, before compensation.")
    )
    parts += [
        heading("All models that were measured"),
        table(HEAD, [row(found, c) for c in shown], sentences=(6,)),
    ]
    parts += [paragraph(sentence) for sentence in (*found.notes, *found.skipped)]
    counts = "{} examples calibrate, {} decide, {} prove".format(*found.examples)
    facts = (
        f"{name} for {found.goal}, at most {found.max_drop:g} points of {found.metric}; {counts}"
    )
    write(path, f"Optimized: {found.chosen.name}", facts, parts, overwrite=overwrite)


HEAD = ("model", "", "drop", "KL", "bytes", "ms", "techniques")
LAYER_HEAD = ("layer", "operator", "type", "KL in 8 bits as given", "why")


def row(found: Optimized, candidate: Candidate) -> tuple[str, ...]:
    """A line of the table of candidates."""
    score = candidate.score
    name, *techniques = candidate.name.split(BESIDE)
    told = ", ".join(techniques)
    if score.error:
        return name, "not possible", "", "", "", "", told
    said = "chosen" if candidate == found.chosen else ""
    said = said or ("front" if candidate.name in found.front else "")
    return (
        name,
        said,
        f"{found.drop(candidate):.1f}",
        f"{score.divergence:.2g}",
        f"{score.bytes:,}",
        f"{score.seconds * 1e3:.2f}",
        told,
    )


def layer_rows(found: Optimized) -> list[tuple[str, ...]]:
    """The lines of the table of layers."""
    return [
        (layer.name, layer.operator, layer.scheme, f"{layer.damage:.2g}", layer.why)
        for layer in found.layers
    ]


def verdict(found: Optimized) -> str:
    """What came out, in a sentence or two."""
    before, after = found.floats.score, found.chosen.score
    if found.chosen.recipe.scheme == FLOAT and not found.chosen.recipe.scopes:
        return "Nothing that is within the budget is better than the float model."
    said = (
        f"{found.chosen.name} is {before.bytes / after.bytes:.2f} times smaller than float "
        f"({after.bytes:,} of {before.bytes:,} bytes) and takes "
        f"{after.seconds * 1e3:.2f} ms instead of {before.seconds * 1e3:.2f}."
    )
    guilty = [layer for layer in found.layers if layer.damage > 0][:3]
    total = sum(layer.damage for layer in found.layers)
    if guilty and total:
        names = ", ".join(f"{g.name} ({100 * g.damage / total:.0f} %)" for g in guilty)
        said += f" Of what 8 bits cost the model as it was given, most comes from {names}."
    return said


def _axis(found: Optimized) -> str:
    return "Latency" if found.goal == "latency" else "Size"


def _front(axes: Any, found: Optimized) -> None:
    """Any: Matplotlib's. Cost to the right, points lost upwards; the budget is a line."""
    scale, unit = (1e3, "milliseconds") if found.goal == "latency" else (1e-3, "kB")

    def place(candidate: Candidate) -> tuple[float, float]:
        score = candidate.score
        cost = score.seconds if found.goal == "latency" else score.bytes
        return cost * scale, min(found.drop(candidate), found.max_drop + _MOST_DROP)

    known = [c for c in found.candidates if not c.score.error]
    others = [c for c in known if c.name not in found.front and c != found.chosen]
    axes.plot(*_columns(list(map(place, others))), "o", color=GRID, markeredgecolor=COLOURS[5])
    best = sorted(place(c) for c in known if c.name in found.front)
    axes.plot(*_columns(best), "o-", color=COLOURS[0], drawstyle="steps-post", label="front")
    axes.plot(*place(found.chosen), "*", color=COLOURS[1], markersize=16, label="chosen")
    axes.plot(*place(found.floats), "s", color=INK, label="float")
    axes.axhline(found.max_drop, color=COLOURS[4], linestyle="--", label="budget")
    axes.set_xlabel(unit)
    axes.set_ylabel(f"points of {found.metric} lost, on the examples that decide")
    axes.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    axes.grid(axis="both")


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _layers(axes: Any, layers: Sequence[LayerChoice]) -> None:
    """Any: Matplotlib's. A bar for each layer, coloured by the type that it got."""
    schemes = sorted({layer.scheme for layer in layers})
    colours = {scheme: COLOURS[i % len(COLOURS)] for i, scheme in enumerate(schemes)}
    for scheme, colour in colours.items():
        own = [(i, layer) for i, layer in enumerate(layers) if layer.scheme == scheme]
        places, sizes = [i for i, _ in own], [layer.damage for _, layer in own]
        axes.barh(places, sizes, color=colour, label=scheme, height=0.7)
    logarithmic(axes)
    axes.set_yticks(range(len(layers)), [short(layer.name) for layer in layers], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("mean KL from the float model, nats; colours: what they became")
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    axes.grid(axis="x")
