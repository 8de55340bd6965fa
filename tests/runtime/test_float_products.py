"""Shapes chosen to hurt float32 products: edges of tiles and panels, borders, phases, broadcasts.

Every case runs on all instruction sets, in small and large tiles, for one thread and for three.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.evaluate import evaluate
from edgewise.ops.batch_matmul import BatchMatMul
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.conv3d import Conv3D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.transpose_conv import Conv3DTranspose, TransposeConv
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Kernel, Target
from edgewise.runtime.planner import plan
from tests.isas import ISAS


def real(*shape: int) -> np.ndarray:
    """Random numbers between -1 and 1."""
    return np.random.default_rng(3).uniform(-1, 1, shape).astype(np.float32)


def check(graph: Graph, inputs: Sequence[np.ndarray]) -> None:
    """Natively as by the reference; the same bits whatever the tiles and threads."""
    (wanted,) = evaluate(graph, inputs)
    span = max(float(np.abs(wanted).max(initial=0)), 1.0)
    for isa in ISAS:
        results = []
        for threads, block_bytes in product((1, 3), (1024, 1 << 17)):
            made = plan(graph, Target(isa, threads=threads, block_bytes=block_bytes))
            assert [p for p in made.placement if p.where == "host"] == []
            (got,) = Executor(made).run(inputs, {}, None)
            np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-5 * span)
            results.append(got)
        for other in results[1:]:
            np.testing.assert_array_equal(other, results[0])


# images, h, w, c per group, groups, o per group, kernel, stride, dilation
CONVOLUTIONS = [
    (1, 7, 7, 5, 1, 16, (3, 3), (1, 1), (1, 1)),
    (2, 8, 13, 3, 1, 24, (3, 3), (2, 2), (1, 1)),
    (1, 3, 4, 1, 1, 40, (7, 7), (1, 1), (1, 1)),  # more padding than map
    (1, 9, 10, 2, 1, 8, (3, 2), (4, 5), (1, 1)),  # strides beyond the kernel
    (1, 11, 9, 3, 1, 9, (3, 3), (1, 2), (2, 3)),
    (1, 6, 5, 4, 3, 5, (3, 3), (1, 1), (1, 1)),
    (1, 5, 7, 8, 2, 17, (1, 1), (1, 1), (1, 1)),
    (0, 4, 4, 3, 1, 8, (3, 3), (1, 1), (1, 1)),
    (1, 1, 13, 7, 1, 25, (1, 1), (1, 1), (1, 1)),  # rows about the edges of blocks
    (1, 1, 29, 7, 1, 1, (1, 1), (1, 1), (1, 1)),
    (1, 1, 1, 33, 1, 200, (1, 1), (1, 1), (1, 1)),
    (1, 1, 29, 1024, 1, 72, (1, 1), (1, 1), (1, 1)),  # rows of which a cache set holds few
    (1, 49, 10, 1, 1, 64, (10, 4), (2, 2), (1, 1)),
    (1, 3, 3, 5, 1, 224, (3, 3), (1, 1), (1, 1)),  # corners of one pixel, by many panels
    (1, 2, 6, 3, 1, 104, (3, 3), (1, 1), (1, 1)),
    (2, 2, 2, 6, 2, 152, (2, 2), (1, 1), (1, 1)),
    (2, 1, 1, 9, 1, 136, (1, 1), (1, 1), (1, 1)),
    (1, 5, 4, 260, 1, 120, (3, 3), (1, 1), (1, 1)),  # short lines by more than 1 MB of weights
    (2, 7, 7, 130, 2, 232, (3, 3), (2, 2), (1, 1)),
    (1, 3, 4, 200, 1, 150, (3, 3), (1, 1), (2, 2)),
]


@pytest.mark.parametrize("padding", [Padding.SAME, Padding.VALID])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolutions(case: tuple[object, ...], padding: Padding) -> None:
    n, h, w, c, groups, o, kernel, stride, dilation = case  # type: ignore[misc]
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if padding is Padding.VALID and (extents[0] > h or extents[1] > w):
        pytest.skip("the kernel does not fit")
    b = Builder()
    x = b.input("x", (n, h, w, c * groups), DType.FLOAT32)
    op = Conv2D(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        fused_activation_function=Activation.RELU6,
    )
    weights = b.constant(real(o * groups, *kernel, c))
    graph = b.finish(b.node(op, x, weights, b.constant(real(o * groups))).output)
    check(graph, [real(n, h, w, c * groups)])


@pytest.mark.parametrize(("o", "tiles"), [(256, 2), (257, 1)])
def test_large_weights_are_read_for_many_pixels(o: int, tiles: int) -> None:
    """Up to 1 MB of them may stay in a cache between tiles, whose pixels fill `block_bytes`."""
    b = Builder()
    x = b.input("x", (1, 7, 7, 1024), DType.FLOAT32)
    weights = b.constant(real(o, 1, 1, 1024))
    node = b.node(Conv2D(padding=Padding.SAME), x, weights, b.constant(real(o)))
    [step] = plan(b.finish(node.output), Target(Isa.AVX2)).steps
    assert isinstance(step, Kernel)
    assert step.n_tiles == tiles


@pytest.mark.parametrize(
    ("size", "o", "is_widened"), [(6, 113, False), (6, 114, True), (7, 114, False)]
)
def test_short_lines_are_widened_for_large_weights(size: int, o: int, is_widened: bool) -> None:
    b = Builder()
    x = b.input("x", (1, 2, size, 256), DType.FLOAT32)
    weights = b.constant(real(o, 3, 3, 256))
    node = b.node(Conv2D(padding=Padding.SAME), x, weights, b.constant(real(o)))
    steps = plan(b.finish(node.output), Target(Isa.AVX2)).steps
    names = [s.name for s in steps if isinstance(s, Kernel)]
    assert names == ["pad"] * is_widened + ["conv_2d_f32"]


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize(
    ("size", "padding", "o", "nbytes"),
    [
        (7, Padding.SAME, 3, 4 * 9 * 9 * 2),
        (7, Padding.VALID, 3, 0),  # no border
        (30, Padding.SAME, 1, 0),  # much more than border
        (7, Padding.SAME, 320, 0),  # work for several threads
    ],
)
def test_small_images_are_staged_with_their_padding(
    size: int, padding: Padding, o: int, nbytes: int, isa: Isa
) -> None:
    b = Builder()
    x = b.input("x", (3, size, size, 2), DType.FLOAT32)
    node = b.node(Conv2D(padding=padding), x, b.constant(real(o, 3, 3, 2)), b.constant(real(o)))
    graph = b.finish(node.output)
    made = plan(graph, Target(isa))
    assert made.scratch_bytes >= nbytes * (isa.lanes > 1)
    assert (made.scratch_bytes == 0) == (nbytes == 0 or isa.lanes == 1)
    check(graph, [real(*x.shape)])


# n, h, w, c: too long for a block of channels to walk along lines
BANDS = [
    (2, 13, 11, 101),
    (1, 6, 4, 330),
    (1, 5, 29, 48),
    (3, 7, 7, 160),
    (1, 4, 9, 144),
    (2, 17, 13, 112),
    (2, 9, 8, 12),  # short, of channels that lower halves of vectors have
    (1, 8, 13, 8),
]


@pytest.mark.parametrize("padding", [Padding.SAME, Padding.VALID])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize("shape", BANDS, ids=str)
def test_depthwise_in_bands_of_lines(
    shape: tuple[int, int, int, int], kernel: int, stride: int, padding: Padding
) -> None:
    b, c = Builder(), shape[3]
    x = b.input("x", (shape[0], *(n + kernel - 3 for n in shape[1:3]), c), DType.FLOAT32)
    steps = {"stride_h": stride, "stride_w": stride}
    op = DepthwiseConv2D(padding=padding, fused_activation_function=Activation.RELU6, **steps)
    weights = b.constant(real(1, kernel, kernel, c))
    check(b.finish(b.node(op, x, weights, b.constant(real(c))).output), [real(*x.shape)])


# images, h, w, c, o, kernel, stride, what the output lacks of h * stride and w * stride
TRANSPOSED = [
    (1, 4, 5, 3, 8, (3, 3), (2, 2), (0, 0)),
    (2, 3, 1, 4, 9, (4, 2), (2, 3), (1, 2)),
    (1, 2, 7, 1, 24, (1, 5), (3, 1), (2, 0)),  # phases without taps
    (1, 1, 1, 5, 16, (5, 4), (1, 2), (0, 1)),
    (3, 7, 6, 2, 5, (3, 4), (1, 1), (0, 0)),  # small images, staged with their padding
    (2, 5, 6, 3, 4, (2, 3), (2, 3), (1, 2)),
]


@pytest.mark.parametrize("case", TRANSPOSED, ids=str)
def test_transposed_convolutions(case: tuple[object, ...]) -> None:
    n, h, w, c, o, kernel, stride, lack = case  # type: ignore[misc]
    y = (n, h * stride[0] - lack[0], w * stride[1] - lack[1], o)
    b = Builder()
    x = b.input("x", (n, h, w, c), DType.FLOAT32)
    op = TransposeConv(padding=Padding.SAME, stride_h=stride[0], stride_w=stride[1])
    shape, weights = b.constant(np.array(y, np.int32)), b.constant(real(o, *kernel, c))
    graph = b.finish(b.node(op, shape, weights, x, b.constant(real(o))).output)
    check(graph, [real(n, h, w, c)])


PRODUCTS = [
    ((), (), 1, 1, 1),
    ((), (2,), 5, 7, 9),
    ((3,), (3,), 13, 16, 24),
    ((2, 1), (1, 3), 7, 9, 17),
    ((2, 3), (3,), 31, 5, 40),
    ((1,), (4,), 1, 33, 8),
]


@pytest.mark.parametrize("is_constant", [False, True])
@pytest.mark.parametrize(("adj_x", "adj_y"), list(product((False, True), repeat=2)))
@pytest.mark.parametrize(("of_x", "of_y", "m", "k", "n"), PRODUCTS)
def test_batches(
    of_x: tuple[int, ...],
    of_y: tuple[int, ...],
    m: int,
    k: int,
    n: int,
    adj_x: bool,
    adj_y: bool,
    is_constant: bool,
) -> None:
    x_shape = (*of_x, *((k, m) if adj_x else (m, k)))
    y_shape = (*of_y, *((n, k) if adj_y else (k, n)))
    b, inputs = Builder(), [real(*x_shape)]
    x = b.input("x", x_shape, DType.FLOAT32)
    if is_constant:
        y = b.constant(real(*y_shape))
    else:
        y = b.input("y", y_shape, DType.FLOAT32)
        inputs.append(real(*y_shape))
    check(b.finish(b.node(BatchMatMul(adj_x=adj_x, adj_y=adj_y), x, y).output), inputs)


@pytest.mark.parametrize(("m", "k", "o"), [(1, 5, 8), (6, 9, 24), (7, 16, 41), (0, 3, 4)])
def test_weights_that_the_model_computes(m: int, k: int, o: int) -> None:
    b = Builder()
    x, w = b.input("x", (m, k), DType.FLOAT32), b.input("w", (o, k), DType.FLOAT32)
    op = FullyConnected(fused_activation_function=Activation.RELU)
    graph = b.finish(b.node(op, x, w, b.constant(real(o))).output)
    check(graph, [real(m, k), real(o, k)])


# x without channels, o, kernel, stride, dilation
VOLUMES = [
    ((2, 3, 4, 5), 19, (1, 1, 1), (1, 1, 1), (1, 1, 1)),
    ((1, 4, 5, 13), 33, (2, 3, 3), (1, 1, 1), (1, 1, 1)),
    ((1, 5, 6, 9), 7, (3, 3, 3), (2, 1, 3), (1, 2, 1)),
    ((2, 2, 3, 4), 16, (5, 4, 7), (1, 2, 1), (1, 1, 2)),  # more padding than map
]


@pytest.mark.parametrize("case", VOLUMES, ids=str)
def test_volumes(case: tuple[object, ...]) -> None:
    x, o, kernel, stride, dilation = case  # type: ignore[misc]
    b = Builder()
    value = b.input("x", (*x, 3), DType.FLOAT32)
    op = Conv3D(**spatial("stride", stride), **spatial("dilation", dilation))
    weights = b.constant(real(*kernel, 3, o))
    check(b.finish(b.node(op, value, weights, b.constant(real(o))).output), [real(*x, 3)])


# images, y without channels, o, kernel, stride, dilation
TRANSPOSED_VOLUMES = [
    ((2, 4, 6, 8), 19, (3, 3, 3), (2, 2, 2), (1, 1, 1)),
    ((1, 9, 8, 7), 5, (2, 3, 4), (4, 3, 1), (1, 2, 3)),  # phases without taps
    ((1, 6, 8, 12), 16, (3, 4, 2), (2, 4, 6), (2, 6, 4)),  # every other tap, or all of one phase
    ((1, 5, 5, 5), 17, (1, 5, 1), (2, 1, 3), (1, 1, 1)),
]


@pytest.mark.parametrize("case", TRANSPOSED_VOLUMES, ids=str)
def test_transposed_volumes(case: tuple[object, ...]) -> None:
    (n, *y), o, kernel, stride, dilation = case  # type: ignore[misc]
    x = (n, *(-(-size // s) for size, s in zip(y, stride, strict=True)), 3)
    b = Builder()
    value = b.input("x", x, DType.FLOAT32)
    op = Conv3DTranspose(
        padding=Padding.SAME, **spatial("stride", stride), **spatial("dilation", dilation)
    )
    shape, weights = b.constant(np.array([n, *y, o], np.int32)), b.constant(real(*kernel, o, 3))
    graph = b.finish(b.node(op, shape, weights, value, b.constant(real(o))).output)
    check(graph, [real(*x)])


def spatial(name: str, numbers: Sequence[int]) -> dict[str, int]:
    """Attributes of the three axes."""
    suffix = "_factor" if name == "dilation" else ""
    return {f"{name}_{axis}{suffix}": n for axis, n in zip("dhw", numbers, strict=True)}
