"""Exported C gives the interpreter's bits on the host, AArch64 and two microcontrollers.

Integer models on every machine; a float model on the host, against the plan for plain C. Nothing
but the program is linked: no heap and no C library can be in it. Sizes and instruction counts are
printed (`pytest -rP`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.deploy import export_c
from edgewise.deploy.c_export import MICROCONTROLLER
from edgewise.format import load
from edgewise.ir import Builder, Model
from edgewise.ir.dim import Sym
from edgewise.runtime.executor import Executor
from edgewise.runtime.planner import plan

from .elf import sections, undefined_symbols
from .machines import HOST, MACHINES, Machine, Workshop, run_program

pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Programs share the objects of kernels."""
    return Workshop(tmp_path_factory.mktemp("objects"))


INTEGER = {
    "resnet8": "bench/tiny_resnet8/int8.tflite",
    "resnet8_mlperf": "tflite/mlperf_tiny/pretrainedResnet_quant.tflite",
    "kws": "tflite/mlperf_tiny/kws_ref_model.tflite",
    "okay_nabu": "tflite/audio/okay_nabu.tflite",  # a variable for each layer
}

# of one inference, a tenth above what was counted
MOST_INSTRUCTIONS = {
    ("resnet8", "cortex-m4"): 34_000_000,
    ("resnet8", "cortex-m55"): 11_150_000,
    ("kws", "cortex-m4"): 12_100_000,
    ("kws", "cortex-m55"): 7_610_000,
}


def vectors_of(model: Model, count: int = 3) -> list[list[np.ndarray]]:
    """Random inputs; of integers also the least and the greatest everywhere."""
    rng = np.random.default_rng(11)
    types = edgewise.Interpreter(model).inputs().values()
    vectors: list[list[np.ndarray]] = [[] for _ in range(count)]
    for type_ in types:
        shape = [d if isinstance(d, int) else 1 for d in type_.shape or ()]
        for index, vector in enumerate(vectors):
            if type_.dtype.is_float:
                vector.append(rng.uniform(-1, 1, shape).astype(type_.dtype.numpy))
                continue
            low, high = type_.dtype.range
            bounds = {1: (low, low), 2: (high, high)}.get(index, (low, high))
            vector.append(rng.integers(*bounds, shape, endpoint=True, dtype=type_.dtype.numpy))
    return vectors


def interpreted(model: Model, vectors: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    """The host interpreter's outputs."""
    run = edgewise.Interpreter(model)
    return [list(run(*vector).values()) for vector in vectors]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.name)
@pytest.mark.parametrize("name", INTEGER)
def test_integer_models_give_the_interpreters_bits(
    name: str, machine: Machine, shared_data: Path, tmp_path: Path, workshop: Workshop
) -> None:
    model = load(shared_data / INTEGER[name])
    vectors = vectors_of(model)
    wanted = interpreted(model, vectors)
    exported = export_c(model, tmp_path, name=name)
    program = workshop.build(machine, exported, vectors, wanted[0])
    found = run_program(machine, program)
    assert found.broken_guards == 0
    assert found.outputs == [b"".join(a.tobytes() for a in arrays) for arrays in wanted]
    assert undefined_symbols(program.path) == set()
    mutable = [s.name for o in program.objects for s in sections(o) if s.is_mutable and s.size]
    assert mutable == [], "the arena and scratch are all that a model writes"
    assert found.instructions <= MOST_INSTRUCTIONS.get((name, machine.name), found.instructions)
    flash = sum(s.size for s in sections(program.path) if s.is_constant)
    code = flash - exported.constant_bytes - sum(a.nbytes for v in vectors for a in v)
    print(
        f"{name} on {machine.name}: arena {exported.arena_bytes} bytes, scratch "
        f"{exported.scratch_bytes}, constants {exported.constant_bytes}, code with harness {code}; "
        f"{found.instructions} instructions"
    )


def test_a_smaller_arena_is_noticed(shared_data: Path, tmp_path: Path, workshop: Workshop) -> None:
    """The guards see a plan that promises too little: the arena is as large as it must be."""
    model = load(shared_data / INTEGER["resnet8"])
    vectors = vectors_of(model, 1)
    wanted = interpreted(model, vectors)
    exported = export_c(model, tmp_path)
    less = exported.arena_bytes - 4
    program = workshop.build(HOST, exported, vectors, wanted[0], arena_bytes=less)
    assert run_program(HOST, program).broken_guards == 4


@pytest.mark.parametrize("file", ["tiny_dscnn", "tiny_ae"])
def test_float_models_give_the_bits_of_their_plan(
    file: str, shared_data: Path, tmp_path: Path, workshop: Workshop
) -> None:
    model = load(shared_data / "bench" / file / "f32.tflite")
    vectors = vectors_of(model)
    executor = Executor(plan(model.main, MICROCONTROLLER))
    wanted = [executor.run(vector, {}, None) for vector in vectors]
    program = workshop.build(HOST, export_c(model, tmp_path), vectors, wanted[0])
    found = run_program(HOST, program)
    assert found.broken_guards == 0
    assert found.outputs == [b"".join(a.tobytes() for a in arrays) for arrays in wanted]


def test_outputs_that_no_step_writes(tmp_path: Path, workshop: Workshop) -> None:
    """An input, a constant, one value twice, another shape of it: copied after the steps."""
    b = Builder()
    x = b.input("x", (Sym("n"), 4))
    total = b.add(x, x)
    flat = b.reshape(total, b.constant(np.array([-1], np.int32)))
    seven = b.constant(np.array([7, -7], np.int32), name="seven")
    model = Model()
    model.add(b.finish(total, x, seven, total, flat))
    vectors = [[np.array([[0.5, -1.25, 3, 1e-40]], np.float32)]]
    wanted = interpreted(model, vectors)
    found = run_program(HOST, workshop.build(HOST, export_c(model, tmp_path), vectors, wanted[0]))
    assert found.outputs == [b"".join(a.tobytes() for a in wanted[0])]
