"""Options of the verbs that run a model on data, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import click

from edgewise.cli.screen import say
from edgewise.data import Data, open_data
from edgewise.data.image import CROP, NORMALIZATIONS
from edgewise.data.source import TESTING
from edgewise.errors import InputError
from edgewise.tasks.classify import read_labels

_F = TypeVar("_F", bound=Callable[..., Any])  # Any: the functions that click decorates

_MOST_SHOWN = 10  # files that could not be read


class Scoring(TypedDict):
    """Arguments of `evaluate` and `compare` that follow from the options."""

    normalize: str | None
    crop: float
    labels: list[str] | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What was asked for. `truth` is a CSV with the class of each file."""

    data: Path
    labels: Path | None
    split: str | None
    limit: int | None
    normalize: str | None
    crop: float

    def open(self, prefer: Sequence[str] = TESTING) -> Data:
        """The data. Raises InputError."""
        truth = self.labels if self._is_table else None
        return open_data(self.data, labels=truth, split=self.split, prefer=prefer)

    @property
    def names(self) -> list[str] | None:
        """Labels in the order of the outputs, where they were given. Raises InputError."""
        return None if self.labels is None or self._is_table else read_labels(self.labels)

    @property
    def scoring(self) -> Scoring:
        """How models are run on the data and judged. Raises InputError."""
        return {
            "normalize": self.normalize,
            "crop": self.crop,
            "labels": self.names,
            "limit": self.limit,
        }

    @property
    def _is_table(self) -> bool:
        return self.labels is not None and self.labels.suffix.lower() == ".csv"


def data_options(*, is_required: bool = True) -> Callable[[_F], _F]:
    """Adds `--data` and what belongs to it; the verb gets a DataOptions as `options`."""
    added = (
        click.option(
            "--data",
            type=click.Path(path_type=Path),
            required=is_required,
            help="A folder of pictures (a folder per class, or labels.csv), a .npy or .npz file.",
        ),
        click.option(
            "--labels",
            type=click.Path(path_type=Path),
            help="Text file, one label a line, in the order of the outputs; or a .csv with the "
            "class of each file (default: labels.csv in the folder).",
        ),
        click.option("--split", help="Part of the data: train, test, ... (default: test)."),
        click.option("--limit", type=click.IntRange(1), help="At most so many examples."),
        click.option(
            "--normalize",
            type=click.Choice(list(NORMALIZATIONS)),
            help="What a picture's pixels become (default: as the model says, or guessed).",
        ),
        click.option(
            "--crop",
            type=click.FloatRange(0, 1, min_open=True),
            default=CROP,
            show_default=True,
            help="How much of a picture's shorter side is seen.",
        ),
    )

    def decorate(function: _F) -> _F:
        names = tuple(DataOptions.__dataclass_fields__)

        def command(**given: Any) -> Any:  # Any: options of all kinds
            own = {name: given.pop(name) for name in names}
            options = DataOptions(**own) if own["data"] is not None else None
            return function(**given, options=options)

        command.__doc__ = function.__doc__
        command.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        made: Any = command
        for option in reversed(added):
            made = option(made)
        return made

    return decorate


def require_model(path: Path) -> Path:
    """The path of a file. Raises InputError."""
    if not path.is_file():
        raise InputError(f"{path}: no such model; give a .tflite file")
    return path


def tell_skipped(skipped: Sequence[str]) -> None:
    """What could not be read, on the screen."""
    if not skipped:
        return
    say(f"{len(skipped)} skipped:")
    for sentence in skipped[:_MOST_SHOWN]:
        say(f"  {sentence}")
    if len(skipped) > _MOST_SHOWN:
        say(f"  and {len(skipped) - _MOST_SHOWN} more")
