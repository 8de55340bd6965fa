"""Where a node comes from: through the passes, and in every message about it."""

from __future__ import annotations

import numpy as np
import pytest

import edgewise
from edgewise import Model
from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, ShapeError
from edgewise.ir import Builder, Location, verify
from edgewise.ir.parse import parse_model
from edgewise.ir.text import print_model
from edgewise.passes import canonicalize, to_tflite
from tests.passes.example import normal

HERE = "floor_div 'head/share' (net.py:31)"


def block(activation: bool = True) -> Model:
    """Convolution, batch norm and activation, each a layer of its own."""
    b = Builder()
    x = b.input("x", (1, 5, 5, 2))
    b.location = Location("block/conv", "net.py", 7)
    y = b.conv_2d(x, b.constant(normal(4, 3, 3, 2)), stride_w=1, stride_h=1)
    b.location = Location("block/norm", "net.py", 8)
    y = b.batch_norm(y, *(b.constant(np.full(4, v, np.float32)) for v in (1.5, 0.5, 0.1, 2.0)))
    b.location = Location("block/relu", "net.py", 9)
    y = b.relu(y) if activation else y
    model = Model()
    model.add(b.finish(y))
    return model


def test_what_is_fused_is_named_beside_the_root() -> None:
    [node] = to_tflite(canonicalize(block())).main.nodes
    assert node.op.name == "conv_2d"
    found = node.location
    assert found is not None
    assert (found.layer, found.file, found.line) == ("block/relu", "net.py", 9)
    assert set(found.fused) == {"block/conv", "block/norm"}
    assert str(node) == "conv_2d 'block/relu' (net.py:9)"
    assert str(found).startswith("block/relu (net.py:9) with block/")


def test_no_pass_loses_it() -> None:
    """Lowered layers too: each operator of the file says which layer it is of."""
    b = Builder()
    x = b.input("x", (2, 6))
    for number, layer in enumerate(("norm", "erf", "soft")):
        b.location = Location(f"net/{layer}", "net.py", number)
        made = {
            "norm": lambda v: b.layer_norm(v, b.constant(normal(6)), axes=(1,), epsilon=1e-3),
            "erf": lambda v: b.erf(v),
            "soft": lambda v: b.softmax(v, beta=1.0),
        }[layer]
        x = made(x)
    model = Model()
    model.add(b.finish(x))
    written = to_tflite(canonicalize(model))
    layers = [node.location.layer for node in written.main.nodes if node.location is not None]
    assert len(layers) == len(written.main) > 10
    assert set(layers) == {"net/norm", "net/erf", "net/soft"}


def test_a_root_without_a_layer_takes_that_of_a_neighbour() -> None:
    model = block()
    last = list(model.main.nodes)[-1]
    last.location = None
    [node] = to_tflite(canonicalize(model)).main.nodes
    assert node.location is not None
    assert node.location.file == "net.py"


def test_text_keeps_it() -> None:
    model = to_tflite(canonicalize(block()))
    text = print_model(model)
    assert 'with "block/conv"' in text
    [node], [again] = list(model.main.nodes), list(parse_model(text).main.nodes)
    assert again.location == node.location


def dividing() -> Model:
    b = Builder()
    x = b.input("x", (3,), DType.INT32)
    b.location = Location("head/share", "net.py", 31)
    model = Model()
    model.add(b.finish(b.floor_div(x, b.sub(x, x))))
    return model


@pytest.mark.parametrize("native", [True, False])
def test_errors_while_running(native: bool) -> None:
    with pytest.raises(EdgewiseError) as caught:
        edgewise.Interpreter(dividing(), native=native)(np.ones(3, np.int32))
    assert str(caught.value).startswith(f"{HERE}: ")


def test_placement() -> None:
    run = edgewise.Interpreter(block())
    run(normal(1, 5, 5, 2))
    assert [p.node for p in run.placement()] == [
        "conv_2d 'block/conv' (net.py:7)",
        "batch_norm 'block/norm' (net.py:8)",
        "relu 'block/relu' (net.py:9)",
    ]


def test_errors_while_building_and_verifying() -> None:
    b = Builder()
    x = b.input("x", (2, 3))
    b.location = Location("head/reshape", "net.py", 5)
    with pytest.raises(ShapeError) as caught:
        b.reshape(x, b.constant([7]))
    assert str(caught.value).startswith("reshape 'head/reshape' (net.py:5): ")
    model = dividing()
    node = list(model.main.nodes)[-1]
    node.output.type = node.output.type.with_shape((4,))
    with pytest.raises(ShapeError) as caught:
        verify(model)
    assert f"@main {HERE}: result" in str(caught.value)
