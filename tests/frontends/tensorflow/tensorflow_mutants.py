"""Mutated SavedModels and `.pb` files of all fixtures, for `tests.frontends.hostile`."""

from __future__ import annotations

import atexit
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.frontends.tensorflow.answers import load
from tests.frontends.tensorflow.saved import NAMES, unpacked
from tests.frontends.tensorflow.test_frozen import small
from tests.frontends.tensorflow.test_hostile import change, change_folder

Made = tuple[Path, dict[str, object], str]


def saved_model(generator: random.Random, folder: Path) -> Made:
    """The folder of a SavedModel in which a file or two are different."""
    source = generator.choice(_sources())
    options: dict[str, object] = {}
    if source.name == "several_graphs":
        options["tags"] = generator.choice((None, ["serve"], ["serve", "gpu"]))
    if source.name in ("no_signature", "module"):
        options["signature_keys"] = generator.choice((None, ["serving_default"], ["x"]))
    change_folder(source, folder / "m", generator)
    return folder / "m", options, source.name


def frozen(generator: random.Random, folder: Path) -> Made:
    """A frozen graph of one operation or of a few, with fields changed."""
    names = _graphs()
    name = generator.choice(list(names))
    path = folder / "m.pb"
    path.write_bytes(change(names[name], generator))
    return path, {}, name


@cache
def _sources() -> list[Path]:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return [unpacked(name, folder) for name in NAMES]


@cache
def _graphs() -> dict[str, bytes]:
    return {"small": small(), **{name: answer.graph for name, answer in load().items()}}
