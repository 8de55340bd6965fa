"""`edgewise data`: what is wrong with a data set."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgewise.cli.screen import progress_bar, say, tell_table
from edgewise.data.check import DataReport, Weight, check_data
from edgewise.files import check_output
from edgewise.measure.data_page import class_table, data_page, facts, verdict

_MOST_CLASSES = 20
_MOST_SHOWN = 3  # groups of a finding
_MOST_OF_GROUP = 4
_STYLES = {Weight.ERROR: "bold red", Weight.WARNING: "bold yellow", Weight.NOTE: "bold"}


@click.group("data")
def command() -> None:
    """Data sets: folders of pictures with a folder for each class, or with a CSV of classes.

    \b
    Examples:
      edgewise data check photos
      edgewise data check photos --html photos.html
    """


@command.command("check")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="CSV with the class of each file (default: labels.csv in the folder).",
)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page, too.")
@click.option("--force", is_flag=True, help="Overwrite the page if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def check(folder: Path, labels: Path | None, html: Path | None, force: bool, as_json: bool) -> None:
    """Read every picture, of every part (train, test), and tell what is wrong.

    Files that cannot be read, the same picture in two classes or in two parts, pictures that look
    alike, classes that are empty, small or unlike in size, tiny pictures, files that are none.
    The page (extra `pages`) shows them, and a contact sheet of every class.
    """
    if html is not None:
        check_output(html, overwrite=force)
    with progress_bar(f"reading {folder.name}") as advance:
        found = check_data(folder, labels, progress=advance)
        if html is not None:
            data_page(html, found, overwrite=force)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    _print(found)
    if html is not None:
        say(f"page: {html}")


def _print(found: DataReport) -> None:
    say(facts(found), title=found.folder)
    names, rows = class_table(found)
    right, rest = tuple(range(1, len(names))), "more classes (--html, --json)"
    tell_table(names, rows, right=right, most=_MOST_CLASSES, rest=rest)
    sizes = found.sizes()
    if sizes:
        ends = [f"{sizes[f'{n}_width']} x {sizes[f'{n}_height']}" for n in ("least", "largest")]
        say(
            f"sizes {ends[0]} to {ends[1]}, median {sizes['median_width']} x "
            f"{sizes['median_height']} pixels"
        )
    say()
    for finding in found.findings:
        say(finding.what, title=f"{finding.weight.value:<7}", style=_STYLES[finding.weight])
        for group in finding.groups[:_MOST_SHOWN]:
            more = f" and {len(group) - _MOST_OF_GROUP} more" if len(group) > _MOST_OF_GROUP else ""
            say(f"         {' = '.join(group[:_MOST_OF_GROUP])}{more}")
        if len(finding.groups) > _MOST_SHOWN:
            say(f"         and {len(finding.groups) - _MOST_SHOWN} more (--html, --json)")
    say(verdict(found))
