"""Files that are not what they claim: always a FormatError, never anything else."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.format import load, write
from edgewise.format.container import model_chunks, read_model
from edgewise.format.record import record_type
from edgewise.ir import Builder, Model, Quant, Signature
from edgewise.ir.enums import Padding
from edgewise.passes.pipeline import canonicalize
from tests.ops.case import all_cases, model_of

from .mutants import mutate


def small_file() -> bytes:
    """A quantized convolution, a reshape and a softmax, with a signature and metadata."""
    b = Builder("main")
    x = b.input("x", (1, 4, 4, 2), quant=Quant(0.5, 3), dtype=DType.INT8)
    w = b.constant(np.ones((2, 1, 1, 2), np.int8), quant=Quant([0.1, 0.2], [0, 0], 0), name="w")
    bias = b.constant(np.zeros(2, np.int32), quant=Quant([0.05, 0.1], [0, 0], 0), name="bias")
    y = b.conv_2d(x, w, bias, padding=Padding.SAME, stride_w=1, stride_h=1, quant=Quant(0.25, -5))
    flat = b.reshape(y, b.constant([1, 32], name="shape"))
    model = Model(metadata={"note": b"text"}, description="small")
    model.add(b.finish(b.softmax(flat, beta=1.0)))
    model.signatures.append(Signature("serving_default", "main", {"x": 0}, {"y": 0}))
    return b"".join(write(model))


def _attempt(data: bytes, what: str) -> bool:
    """Load; True if it is a model. Anything but a FormatError fails the test."""
    try:
        load(data)
    except FormatError as error:
        message = str(error)
    else:
        return True
    # the reader's last resort, for operators whose own checks stumble: none should
    assert "cannot be checked" not in message, what
    return False


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "edgewise")


def test_truncated_at_every_byte() -> None:
    data = small_file()
    assert _attempt(data, "whole")
    for end in range(len(data)):
        assert not _attempt(data[:end], f"first {end} bytes") or end > len(data) - 8


@pytest.mark.ci
def test_every_byte_changed() -> None:
    data = small_file()
    for at in range(len(data)):
        for byte in (0, 1, 255):
            _attempt(data[:at] + bytes([byte]) + data[at + 1 :], f"byte {at} is {byte}")


@pytest.mark.ci
@pytest.mark.parametrize("seed", range(3))
def test_random_changes(seed: int) -> None:
    generator = random.Random(seed)
    data = small_file()
    for turn in range(1500):
        _attempt(mutate(data, generator), f"seed {seed}, turn {turn}")


@pytest.mark.ci
def test_random_changes_of_real_models(shared_data: Path) -> None:
    generator = random.Random(seed := 7)
    files = [p for p in sorted(shared_data.rglob("*.tflite")) if p.stat().st_size < 40_000]
    for turn in range(6000):
        path = generator.choice(files)
        data = mutate(path.read_bytes(), generator)
        _attempt(data, f"{path.name}, seed {seed}, turn {turn}")


# -- what the mutants found -------------------------------------------------------------------


def without_options(table: str | None) -> bytes:
    """An IF whose options are gone, or another operator's."""
    case = next(case for case in all_cases() if case.op.name == "if" and not case.error)
    record = read_model(b"".join(write(model_of(case))))
    for graph in record.subgraphs:
        for operator in graph.operators or ():
            if operator.builtin_options is not None:
                operator.builtin_options = None if table is None else record_type(table)()
    return b"".join(model_chunks(record))


@pytest.mark.parametrize("table", [None, "L2NormOptions"])
def test_an_operator_that_does_not_say_what_it_runs(table: str | None) -> None:
    with pytest.raises(FormatError, match="IF must have IfOptions: they say which graphs it runs"):
        load(without_options(table))


def test_a_result_with_another_shape_that_becomes_a_constant() -> None:
    """The shape that a file declares of a result does not count, and is not that of a constant."""
    b = Builder("main")
    model = Model()
    model.add(b.finish(b.neg(b.constant(np.ones(255, np.float32)))))
    record = read_model(b"".join(write(model)))
    record.subgraphs[0].tensors[record.subgraphs[0].outputs[0]].shape = np.zeros(0, np.int32)
    folded = canonicalize(load(b"".join(model_chunks(record))))
    (output,) = load(b"".join(write(folded))).main.outputs
    assert output.data is not None
    assert output.type.shape == (255,)


def test_a_variable_that_is_computed_later() -> None:
    """Variables have a value before the first operator; the result of one does not."""
    record = read_model(small_file())
    graph = record.subgraphs[0]
    first, last = graph.operators[0], graph.operators[-1]
    graph.tensors[last.outputs[0]].is_variable = True
    first.inputs = np.array([last.outputs[0], *first.inputs[1:]], np.int32)
    with pytest.raises(FormatError, match=r"reads tensor \d+ .*, which has no value at that point"):
        load(b"".join(model_chunks(record)))
