"""A SavedModel that trains itself: four signatures share variables, here as in TensorFlow.

The fixture `training` is what TensorFlow's guide to training on the device makes (`GradientTape` in
a `train` signature), with convolutions and poolings, whose weights go out and in as tensors.
"""

from __future__ import annotations

import numpy as np
import pytest

import edgewise
from edgewise import lite
from edgewise.runtime import planner
from tests.frontends.tensorflow.saved import Call, calls, unpacked
from tests.oracle.litert import Oracle

KEYS = ["train", "infer", "save", "restore"]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = unpacked("training", tmp_path_factory.mktemp("saved"))
    return edgewise.convert(folder, signature_keys=KEYS).to_bytes()


@pytest.fixture
def steps() -> list[Call]:
    return calls("training")["train"]


@pytest.mark.parametrize("native", [True, False])
def test_it_trains_as_tensorflow_does(content: bytes, steps: list[Call], native: bool) -> None:
    run = edgewise.Interpreter(content, native=native)
    losses = [float(run(signature="train", **step.inputs)["loss"]) for step in steps]
    wanted = [float(step.outputs["loss"]) for step in steps]
    np.testing.assert_allclose(losses, wanted, rtol=1e-5)
    assert losses[-1] < 0.5 * losses[0]
    for key in ("infer", "save"):
        [call] = calls("training")[key]
        for name, array in run(signature=key, **call.inputs).items():
            np.testing.assert_allclose(array, call.outputs[name], rtol=1e-4, atol=1e-6)


def test_a_step_runs_in_kernels_and_is_planned_once(
    content: bytes, steps: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    plan = planner.plan

    def counted(graph, *arguments, **options):
        made.append(graph.name)
        return plan(graph, *arguments, **options)

    monkeypatch.setattr(planner, "plan", counted)
    run = edgewise.Interpreter(content, cache=False)
    for step in steps:
        run(signature="train", **step.inputs)
    assert len(made) == 1
    assert not [p.detail for p in run.placement("train") if p.where == "host"]
    smaller = {name: array[:5] for name, array in steps[0].inputs.items()}
    for _ in range(2):
        run(signature="train", **smaller)
        run(signature="train", **steps[0].inputs)
    assert len(made) == 2  # a plan for each batch, both kept


def test_weights_go_from_one_interpreter_to_another(content: bytes, steps: list[Call]) -> None:
    trained, fresh = (lite.Interpreter(model_content=content) for _ in range(2))
    train = trained.get_signature_runner("train")
    for step in steps:
        train(**step.inputs)
    x = steps[0].inputs["x"]
    before = fresh.get_signature_runner("infer")(x=x)["output"]
    fresh.get_signature_runner("restore")(**trained.get_signature_runner("save")())
    after = fresh.get_signature_runner("infer")(x=x)["output"]
    np.testing.assert_array_equal(after, trained.get_signature_runner("infer")(x=x)["output"])
    assert np.abs(after - before).max() > 0.1


@pytest.mark.parity
def test_litert_trains_it_alike(content: bytes, steps: list[Call], oracle: Oracle) -> None:
    answers = oracle.run_sequence(
        content, [step.inputs for step in steps], signature=["train"] * len(steps)
    )
    losses = [float(answer.named["loss"]) for answer in answers]
    wanted = [float(step.outputs["loss"]) for step in steps]
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)
