"""Source locations through a `.tflite` file, and files that somebody changed."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest

from edgewise.format import load, write
from edgewise.format.locations import ENTRY
from edgewise.ir import Builder, Location, Model
from tests.oracle.litert import Oracle


def located(file: str = "net.py") -> Model:
    b = Builder()
    x = b.input("x", (2,))
    b.location = Location("block/abs", file, 3 if file else 0)
    y = b.abs(x)
    b.location = None
    y = b.neg(y)
    b.location = Location("block/out", file, 5 if file else 0, ("block/norm",))
    model = Model()
    model.add(b.finish(b.exp(y)))
    return model


def written(model: Model) -> bytes:
    return b"".join(write(model))


def locations(model: Model) -> list[Location | None]:
    return [node.location for node in model.main.nodes]


def test_locations_come_back() -> None:
    model = located()
    again = load(written(model))
    assert locations(again) == locations(model)
    assert str(next(iter(again.main.nodes))) == "abs 'block/abs' (net.py:3)"
    assert ENTRY not in again.metadata
    assert written(again) == written(load(written(again)))


def test_layers_alone_are_not_written() -> None:
    """Names of tensors tell the layer; files do not grow."""
    assert ENTRY.encode() not in written(located(""))


def _entry(**changes: object) -> bytes:
    plain = {"operators": 0, "locations": [[None, None, None]]}
    return zlib.compress(json.dumps({**plain, **changes}).encode())


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (b"no zlib", "incorrect header"),
        (zlib.compress(b"["), "Expecting value"),
        (_entry(), "the operators are others than those that were written"),
        (_entry(operators=None), "the operators are others"),
        (zlib.compress(bytes(80 << 20)), "they take more than 67108864 bytes"),
    ],
    ids=["bytes", "json", "others", "none", "bomb"],
)
def test_damaged_entries(entry: bytes, text: str, caplog: pytest.LogCaptureFixture) -> None:
    model = located("")
    model.metadata[ENTRY] = entry
    assert locations(load(written(model))) == [None, None, None]
    assert "source locations are left out" in caplog.text
    assert text in caplog.text


@pytest.mark.parametrize("wrong", [[[None]], [[3, None, None]], [[["a"], None, None]], 7])
def test_lists_that_do_not_fit(wrong: object, caplog: pytest.LogCaptureFixture) -> None:
    names = zlib.crc32(b"abs\nneg\nexp")
    model = located("")
    model.metadata[ENTRY] = _entry(operators=names, locations=wrong)
    assert locations(load(written(model))) == [None, None, None]
    assert "source locations are left out" in caplog.text


@pytest.mark.parity
def test_litert_runs_it(oracle: Oracle) -> None:
    x = np.array([1, -2], np.float32)
    answer = oracle.run(written(located()), [x])
    np.testing.assert_allclose(answer.outputs[0], np.exp(-np.abs(x)), rtol=1e-5)
