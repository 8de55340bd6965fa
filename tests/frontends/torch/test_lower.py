"""Programs made by hand: what is refused and how, names, lines, what is computed at once."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import ConversionError, UnsupportedOp
from edgewise.frontends.torch.lower import lower
from edgewise.frontends.torch.program import Arg, Body, Input, Program, Ref, TorchNode
from edgewise.ir.graph import Location

X = Ref("x")


def node(name: str, op: str, *args: Arg, line: int = 0, **kwargs: Arg) -> TorchNode:
    where = Location(f"block/{name}", "net.py", line) if line else Location(name)
    return TorchNode(name, op, args, kwargs, where)


def program(
    *nodes: TorchNode,
    results: tuple[str, ...],
    shape: tuple[int | str, ...] = ("batch", 4),
    constants: dict[str, np.ndarray] | None = None,
    dtype: DType = DType.FLOAT32,
) -> Program:
    constants = constants or {}
    body = Body(("x", *constants), nodes, tuple(Ref(name) for name in results))
    return Program((Input("x", dtype, shape),), constants, body, results, "net")


def refusal(*nodes: TorchNode, **options: object) -> str:
    with pytest.raises(UnsupportedOp) as caught:
        lower(program(*nodes, results=(nodes[-1].name,), **options))  # type: ignore[arg-type]
    return str(caught.value)


def test_all_that_cannot_be_converted_is_told_at_once() -> None:
    found = refusal(
        node("rand", "rand_like.default", X, line=3),
        node("inv", "linalg_inv.default", X, line=4),
        node("sum", "add.Tensor", Ref("rand"), Ref("inv"), line=5),
        node("odd", "special_zeta.default", Ref("sum"), X, line=6),
        node("drop", "dropout.default", X, 0.5, True, line=7),
        node("end", "add.Tensor", Ref("odd"), Ref("drop"), line=8),
    )
    assert found == (
        "net: 4 operations of PyTorch cannot be converted:\n"
        "  - rand_like.default 'block/rand' (net.py:3): it draws random numbers, which a converted"
        " model cannot; draw them only where `training` is true\n"
        "  - linalg_inv.default 'block/inv' (net.py:4): matrices are not decomposed or solved in a"
        " .tflite model; compute it before and give the result as an input\n"
        "  - special_zeta.default 'block/odd' (net.py:6): has no handler in this version; write it"
        " with other operations\n"
        "  - dropout.default 'block/drop' (net.py:7): it draws random numbers, which a converted"
        " model cannot; draw them only where `training` is true"
    )


@pytest.mark.parametrize(
    ("op", "args", "sentence"),
    [
        ("nonzero.default", (X,), "its shape depends on the elements of a tensor"),
        ("fft_hfft.default", (X,), "complex numbers are computed with as pairs of floats only"),
        ("stft.default", (X, 3, 1, 3, X), "its window is computed by the model; make it a buffer"),
        ("grid_sampler.default", (X, X, 2, 0, False), "samples by cubics; use mode='bilinear'"),
        ("quantize_per_tensor.default", (X, 1.0, 0), "quantized operations are not converted"),
        ("mul_.Tensor", (X, 2), "it updates a tensor in place; a converted model has no such"),
        ("split.Tensor", (X, 2), "it splits an axis of unknown size; give the model a fixed shape"),
        ("sort.default", (X, 0), "it sorts an axis of unknown size; give the model a fixed shape"),
        ("one_hot.default", (X, -1), "the number of classes depends on the elements"),
        ("where.default", (X,), "the places where it is true are as many as the elements say"),
        ("repeat_interleave.self_Tensor", (X, X), "numbers of repetitions that are a tensor"),
        ("batch_norm.default", (X, None, None, None, None, True), "in training mode"),
    ],
)  # fmt: skip
def test_is_refused_with_its_reason(op: str, args: tuple[Arg, ...], sentence: str) -> None:
    found = refusal(node("y", op, *args))
    assert found.startswith(f"net: 1 operation of PyTorch cannot be converted:\n  - {op} 'y': ")
    assert sentence in found


def test_shapes_that_do_not_fit_are_told_with_the_line() -> None:
    found = refusal(node("y", "view.default", X, (3, 5), line=9), shape=(2, 4))
    assert "view.default 'block/y' (net.py:9): " in found
    assert "keep the number of elements" in found


def test_a_result_that_is_no_tensor() -> None:
    with pytest.raises(ConversionError, match="net: output 'n' is no tensor: 4"):
        lower(program(node("n", "sym_size.int", X, 1), results=("n",)))


def test_a_result_that_is_complex() -> None:
    nodes = node("n", "complex.default", X, X), node("z", "erfinv.default", Ref("n"))
    with pytest.raises(ConversionError, match="output 'n' is complex; return"):
        lower(program(nodes[0], results=("n",)))
    assert "complex numbers are computed with as pairs of floats only" in refusal(*nodes)


def test_nodes_know_the_layer_and_the_line() -> None:
    made = lower(program(node("y", "exp.default", X, line=12), results=("y",)))
    (only,) = made.main.nodes
    assert str(only.location) == "block/y (net.py:12)"
    assert list(made.signatures[0].inputs) == ["x"]
    assert list(made.signatures[0].outputs) == ["y"]


def test_what_weights_alone_make_is_a_constant() -> None:
    weights = {"w": np.arange(12, dtype=np.float32).reshape(4, 3)}
    made = lower(
        program(
            node("t", "numpy_T.default", Ref("w")),
            node("s", "mul.Tensor", Ref("t"), 2),
            node("y", "linear.default", X, Ref("s")),
            results=("y",),
            constants=weights,
        )
    )
    (only,) = made.main.nodes
    assert only.op.name == "fully_connected"
    np.testing.assert_array_equal(only.inputs[1].data, weights["w"].T * 2)


def test_sizes_are_computed_with() -> None:
    made = lower(
        program(
            node("n", "sym_size.int", X, 0),
            node("m", "operator.mul", Ref("n"), 2),
            node("y", "view.default", X, (Ref("m"), -1)),
            results=("y",),
        )
    )
    assert str(made.main.outputs[0].shape[0]) == "2*batch"
    assert made.main.outputs[0].shape[1] == 2


def test_a_node_that_nothing_needs_and_nobody_converts_is_no_problem() -> None:
    made = lower(
        program(node("z", "rand_like.default", X), node("y", "exp.default", X), results=("y",))
    )
    assert len(made.main) == 1
