"""Whole files: identifier, real models, and constants behind the FlatBuffer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import FormatError
from edgewise.format.container import model_chunks, read_model
from edgewise.format.record import Record
from tests.format.models import make, small_model
from tests.oracle.litert import Oracle

_MANY = 2**31 + 1_000_003  # bytes: more than a FlatBuffer can address


def encode(model: Record, *, outside: bool | None = None) -> bytes:
    return b"".join(model_chunks(model, outside=outside))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "the file has 0 bytes"),
        (b"TFL", "the file has 3 bytes"),
        (b"PK\3\4 a zip archive", "it is a Keras file or another zip archive; convert it first"),
        (b"a text file of some length", "found b'xt f'"),
    ],
)
def test_files_of_another_kind(data: bytes, found: str) -> None:
    with pytest.raises(FormatError, match="identifier b'TFL3'") as caught:
        read_model(data, file="m.tflite")
    assert found in str(caught.value)


def test_identifier_and_nothing_else() -> None:
    with pytest.raises(FormatError):
        read_model(bytes(4) + b"TFL3")


@pytest.mark.ci
def test_real_models_come_back(shared_data: Path) -> None:
    """Every model of others: bytes -> records -> bytes -> records, in both layouts."""
    paths = _real_models(shared_data)
    for path in paths:
        model = read_model(path.read_bytes(), file=path.name)
        for outside in (False, True):
            assert read_model(encode(model, outside=outside)) == model, path
    assert len(paths) > 100


@pytest.mark.parity
def test_litert_reads_the_same_from_what_is_written(shared_data: Path, oracle: Oracle) -> None:
    """Its strict verifier accepts both layouts and every tensor has the same details."""
    for path in _real_models(shared_data):
        theirs = oracle.details(path.read_bytes())
        model = read_model(path.read_bytes(), file=path.name)
        for outside in (False, True):
            ours = oracle.details(encode(model, outside=outside))
            np.testing.assert_equal(ours, theirs, err_msg=f"{path} {outside=}")


def _real_models(shared_data: Path) -> list[Path]:
    paths = [p for p in shared_data.glob("tflite/**/*") if p.suffix in (".tflite", ".bin")]
    return sorted([*paths, *shared_data.glob("bench/**/*.tflite")])


def test_layouts_hold_the_same_model() -> None:
    model = small_model()
    model.buffers += [make("Buffer", data=np.arange(n, dtype=np.uint8)) for n in (5, 16, 100)]
    model.subgraphs[0].operators[1].custom_options = np.zeros(70_000, np.uint8)
    inside, outside = encode(model), encode(model, outside=True)
    assert read_model(inside) == read_model(outside) == model
    assert model.buffers[4].offset == 0  # the caller's records are not changed


def test_constants_outside_are_aligned_and_behind() -> None:
    model = small_model()
    model.buffers += [make("Buffer", data=np.full(n, n, np.uint8)) for n in (3, 40)]
    data = encode(model, outside=True)
    at = data.index(bytes([40] * 40))
    assert at % 16 == 0
    assert data.index(bytes([3] * 3 + [0] * 13)) == at - 16


def test_constants_beyond_the_end() -> None:
    model = small_model()
    model.buffers[1] = make("Buffer", offset=40, size=2**63)
    with pytest.raises(FormatError, match="beyond the end of the file") as caught:
        read_model(encode(model))
    assert caught.value.offset is not None


def test_more_than_two_gigabytes(tmp_path: Path) -> None:
    """The file is sparse and the weights are untouched zero pages, so neither is ever real."""
    model = small_model()
    model.buffers += [
        make("Buffer", data=np.zeros(_MANY, np.uint8)),
        make("Buffer", data=np.array([1, 2, 3], np.uint8)),
    ]
    path = tmp_path / "large.tflite"
    with path.open("wb") as stream:
        for chunk in model_chunks(model):
            if chunk.nbytes == _MANY:
                stream.seek(_MANY, 1)
            else:
                stream.write(chunk)
    mapped = np.memmap(path, np.uint8, "r")
    assert mapped.size > _MANY
    again = read_model(memoryview(mapped))
    assert again.buffers[2].data.size == _MANY
    assert again.buffers[3].data.tolist() == [1, 2, 3]
    assert again.subgraphs == small_model().subgraphs
    with pytest.raises(FormatError, match="at most 2147483647 bytes"):
        model_chunks(model, outside=False)
