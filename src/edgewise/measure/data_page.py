"""The page of `edgewise data check`: what is wrong with a data set, and a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgewise.data.check import DataReport, Finding, Picture
from edgewise.data.image import open_picture
from edgewise.errors import InputError
from edgewise.measure.page import (
    COLOURS,
    Thumb,
    figure,
    gallery,
    heading,
    paragraph,
    table,
    thumbnail,
    write,
)
from edgewise.runtime.workers import ordered

_MOST_GROUPS = 8  # of a finding
_MOST_OF_GROUP = 6
_MOST_OF_CLASS = 16
_MOST_CLASSES = 40  # on the contact sheet
_MOST_BARS = 60


def data_page(path: Path, found: DataReport, *, overwrite: bool = False) -> None:
    """Write the page.

    Raises:
        OutputError: the file cannot be written. MissingExtra: Matplotlib is not installed.
    """
    parts = [paragraph(verdict(found))]
    known = {p.file for p in found.pictures}
    for finding in found.findings:
        parts += [heading(f"{finding.weight.value.capitalize()}: {finding.what}")]
        parts += _finding(Path(found.folder), finding, known)
    named = [name for name in found.counts if name]
    if named:
        parts.append(heading("Pictures in each class"))
        if len(named) <= _MOST_BARS:
            with figure(6.5, 0.9 + 0.3 * len(named), parts) as axes:
                _balance(axes, found, named)
        parts.append(table(*class_table(found)))
    if found.pictures:
        parts.append(heading("Sizes"))
        with figure(6.5, 3.2, parts) as axes:
            _sizes(axes, found.pictures)
    for name in list(found.counts)[:_MOST_CLASSES]:
        own = [p.file for p in found.pictures if p.label == name]
        parts.append(heading(f"{name or 'Pictures'} ({len(own)})"))
        parts.append(gallery(_thumbs(Path(found.folder), _spread(own, _MOST_OF_CLASS))))
    write(path, Path(found.folder).name, facts(found), parts, overwrite=overwrite)


def facts(found: DataReport) -> str:
    """What there is, in a line."""
    named = [name for name in found.counts if name]
    classes = f"{len(named)} class{'es' * (len(named) != 1)}"
    said = f"{len(found.pictures)} pictures that can be read, {classes}"
    return said + (f", in {', '.join(found.parts)}" if found.parts != ("",) else "")


def verdict(found: DataReport) -> str:
    """What to make of it, in a sentence."""
    others = len(found.findings) - found.errors
    if found.errors:
        wrong = f"{found.errors} thing{'s'[: found.errors != 1]} will make results wrong"
        return f"{wrong}; {others} more to know of." if others else f"{wrong}."
    return "Nothing is wrong." if not others else f"Nothing is wrong; {others} to know of."


def class_table(found: DataReport) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """(head, rows): pictures of each class in each part."""
    parts = [part or "pictures" for part in found.parts]
    total = max(1, len(found.pictures))
    rows = []
    for name, counts in found.counts.items():
        own = [counts.get(part, 0) for part in found.parts]
        rows.append((name or "without a class", *map(str, own), f"{100 * sum(own) / total:.1f} %"))
    return ("class", *parts, "share"), rows


def _finding(folder: Path, finding: Finding, known: set[str]) -> list[str]:
    parts = []
    for group in finding.groups[:_MOST_GROUPS]:
        if set(group) <= known:
            parts.append(gallery(_thumbs(folder, group[:_MOST_OF_GROUP])))
        else:
            parts += [paragraph(text) for text in group]
    if len(finding.groups) > _MOST_GROUPS:
        parts.append(paragraph(f"and {len(finding.groups) - _MOST_GROUPS} more"))
    return parts


def _thumbs(folder: Path, files: Sequence[str]) -> list[Thumb]:
    def make(file: str) -> Thumb:
        try:
            return Thumb(thumbnail(open_picture(folder / file)), "", file)
        except InputError:  # it was there a moment ago
            return Thumb(None, "", file)

    return list(ordered(make, files))


def _spread(files: Sequence[str], most: int) -> list[str]:
    count = min(most, len(files))
    return [files[i * len(files) // count] for i in range(count)]


def _balance(axes: Any, found: DataReport, named: Sequence[str]) -> None:
    """Any: Matplotlib's."""
    left = [0] * len(named)
    for colour, part in zip(COLOURS, found.parts, strict=False):
        own = [found.counts[name].get(part, 0) for name in named]
        axes.barh(range(len(named)), own, left=left, color=colour, label=part, height=0.65)
        left = [a + b for a, b in zip(left, own, strict=True)]
    axes.set_yticks(range(len(named)), named)
    axes.invert_yaxis()
    axes.set_xlabel("pictures")
    axes.grid(axis="x")
    if found.parts != ("",):
        axes.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))


def _sizes(axes: Any, pictures: Sequence[Picture]) -> None:
    """Any: Matplotlib's."""
    axes.plot(
        [p.width for p in pictures],
        [p.height for p in pictures],
        "o",
        color=COLOURS[0],
        markersize=4,
        alpha=0.35,
        markeredgewidth=0,
    )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("width, pixels")
    axes.set_ylabel("height, pixels")
    axes.grid()
