"""Every class of `keras.layers` is in a model of the fixtures, or refused with its own sentence."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from edgewise.errors import UnsupportedOp
from edgewise.frontends.keras.lower import lower
from tests.frontends.keras.test_refused import layer, model

FIXTURES = Path(__file__).parent / "fixtures"
EQUALIZED = "distributes the colours of an image by its histogram"
HASHED = "hashes its input as text"
CODE = "is code of another library"
REFUSED = {
    "ContrastLimitedAdaptiveHistogramEqualization": EQUALIZED,
    "Equalization": EQUALIZED,
    "Hashing": HASHED,
    "HashedCrossing": HASHED,
    "MaxNumBoundingBoxes": "changes bounding boxes",
    "FlaxLayer": CODE,
    "JaxLayer": CODE,
    "TorchModuleWrapper": CODE,
    "TFSMLayer": "is a SavedModel of its own",
}
# Two to derive from, one that `test_words` has, and one whose name in a file is its older one.
ELSEWHERE = {"Layer", "Wrapper", "TextVectorization", "GroupedQueryAttention"}


def files() -> Iterator[bytes]:
    for path in FIXTURES.iterdir():
        if path.suffix == ".npz":
            archive = np.load(path)
            yield from (archive[k].tobytes() for k in archive.files if k.endswith(".model"))
        elif path.suffix in (".keras", ".gz"):
            data = path.read_bytes()
            yield gzip.decompress(data) if path.suffix == ".gz" else data


def classes_in(config: object) -> Iterator[str]:
    if isinstance(config, dict):
        if isinstance(name := config.get("class_name"), str):
            yield name
        config = list(config.values())
    for item in config if isinstance(config, list) else ():
        yield from classes_in(item)


def config_of(data: bytes) -> object:
    if data.startswith(b"PK"):
        return json.loads(zipfile.ZipFile(io.BytesIO(data)).read("config.json"))
    with h5py.File(io.BytesIO(data)) as file:
        return json.loads(file.attrs.get("model_config", "null"))


def test_every_class_of_keras_layers_has_a_case():
    names = set(np.load(FIXTURES / "inference.npz")["names"].tolist())
    assert len(names) == 143
    found = {name for data in files() for name in classes_in(config_of(data))}
    assert names - found - ELSEWHERE == set(REFUSED)
    assert "GroupQueryAttention" in found


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_none_says_why(name):
    made = layer(name, num_bins=3, bins=[1.0])
    with pytest.raises(UnsupportedOp, match=REFUSED[name]):
        lower(model(made, [None, 4, 4, 3]))
