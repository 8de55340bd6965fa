"""Cases of ops/lstm.py."""

from dataclasses import replace

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
from edgewise.ir.enums import Activation, LSTMKernelType
from edgewise.ops.lstm import LSTM, UnidirectionalSequenceLSTM
from tests.ops.case import Arg, Case, arg, weights

TANH = Activation.TANH
HYBRID = "quantizes activations on the fly"


def operands(x, cells, outputs, *, coupled=False, peephole=False, project=False, norm=False,
             diagonal=False, dtype="float32", scale=0.01):  # fmt: skip
    """The 24 operands for x [..., I] with batch x[-2] (or as given by `batch`)."""
    size, batch = x.shape[-1], x.shape[0]
    hybrid = {"quant": Quant(scale)} if dtype == "int8" else {}
    matrix = [weights((cells, size), dtype, low=-1, high=1, **hybrid) for _ in range(4)]
    shape = (cells,) if diagonal else (cells, outputs)
    recurrent = [weights(shape, dtype, low=-1, high=1, **hybrid) for _ in range(4)]
    vectors = [weights((cells,), dtype, low=-1, high=1, **hybrid) for _ in range(3)]
    vectors = vectors if peephole else [None] * 3
    biases = [weights((cells,)) for _ in range(4)]
    norms = [weights((cells,), low=0.5, high=1.5) for _ in range(4)] if norm else [None] * 4
    projection = [weights((outputs, cells), dtype, low=-1, high=1, **hybrid), weights((outputs,))]
    if coupled:
        for part in (matrix, recurrent, vectors, biases, norms):
            part[0] = None
    states = [arg((batch, outputs), variable=True), arg((batch, cells), variable=True)]
    return (
        *(x, *matrix, *recurrent, *vectors, *biases),
        *(projection if project else [None] * 2),
        *states,
        *(norms if norm else []),
    )


def layer(x, cells, outputs=None, *, label="", error="", no_litert="", **keywords):
    names = ("coupled", "peephole", "project", "norm", "diagonal", "dtype", "scale")
    parts = {k: keywords.pop(k) for k in names if k in keywords}
    op = UnidirectionalSequenceLSTM(fused_activation_function=TANH, **keywords)
    args = operands(arg(x), cells, outputs or cells, **parts)
    if keywords.get("time_major"):
        args = operands(arg((x[1], *x[1:])), cells, outputs or cells, **parts)
        args = (arg(x), *args[1:])
    return Case(op, args, label=label, error=error, no_litert=no_litert)


def step(x, cells, outputs=None, *, label="", no_litert="", **keywords):
    names = ("coupled", "peephole", "project", "norm", "dtype", "scale")
    parts = {k: keywords.pop(k) for k in names if k in keywords}
    op = LSTM(fused_activation_function=TANH, **keywords)
    return Case(
        op, operands(arg(x), cells, outputs or cells, **parts), label=label, no_litert=no_litert
    )


def integer(batch, time, size, cells, outputs=None, *, op=UnidirectionalSequenceLSTM, label="",
            coupled=False, peephole=False, project=False, norm=False, **attributes):  # fmt: skip
    """A fully integer layer with scales as calibration gives them."""
    outputs = outputs or cells
    shape = (batch, time, size) if op is UnidirectionalSequenceLSTM else (batch, size)
    result = Quant(1 / 128, 3)
    matrix = [weights((cells, size), "int8", quant=Quant(0.004 + 0.001 * i)) for i in range(4)]
    recurrent = [weights((cells, outputs), "int8", quant=Quant(0.005)) for _ in range(4)]
    vectors = [weights((cells,), "int16", quant=Quant(1e-5)) for _ in range(3)]
    vectors = vectors if peephole else [None] * 3
    biases = [_ints((cells,), 3000, i) for i in range(4)]
    norms = [weights((cells,), "int16", quant=Quant(3e-5)) for _ in range(4)]
    norms = norms if norm else [None] * 4
    if coupled:
        for part in (matrix, recurrent, vectors, biases, norms):
            part[0] = None
    args = (
        arg(shape, "int8", quant=Quant(1 / 100, -2)),
        *(*matrix, *recurrent, *vectors, *biases),
        weights((outputs, cells), "int8", quant=Quant(0.01)) if project else None,
        _ints((outputs,), 3000, 9) if project else None,
        arg((batch, outputs), "int8", quant=result, variable=True),
        arg((batch, cells), "int16", quant=Quant(2.0**-12), variable=True),
        *(norms if norm else []),
    )
    operator = op(
        fused_activation_function=TANH,
        intermediate_scales=(1e-3, 1.1e-3, 1.2e-3, 1.3e-3, 0.007),
        intermediate_zero_points=(0, 0, 0, 0, 4 if project else 3),
        **attributes,
    )
    return Case(operator, args, label=label, results=(TensorType(None, DType.INT8, result),))


def _ints(shape, size, seed):
    values = np.random.default_rng(seed).integers(-size, size, shape).astype(np.int32)
    return Arg(shape, DType.INT32, True, values=values, quant=Quant(1e-5))


def basic(x, cells, *, dtype="float32", error=""):
    args = (
        arg(x, dtype),
        arg((x[0], cells)),
        weights((4 * cells, x[1] + cells), low=-1, high=1),
        weights((4 * cells,)),
        arg((x[0], cells)),
    )
    return Case(LSTM(kernel_type=LSTMKernelType.BASIC), args, label="basic", error=error)


def partly_normed():
    """The input gate alone has no coefficients."""
    case = layer((2, 3, 5), 7, norm=True, error="layer normalisation needs the coefficients")
    return replace(case, args=(*case.args[:20], None, *case.args[21:]))


CASES = [
    layer((2, 3, 5), 7),
    layer((1, 1, 1), 1, label="ones"),
    layer((3, 2, 5), 7, time_major=True, label="time-major"),
    layer((2, 3, 5), 7, coupled=True, label="cifg"),
    layer((2, 3, 5), 7, peephole=True, label="peephole"),
    layer((2, 3, 5), 7, 4, project=True, label="projection"),
    layer((2, 3, 5), 7, norm=True, label="norm"),
    layer(
        (2, 3, 5),
        7,
        4,
        coupled=True,
        project=True,
        norm=True,
        cell_clip=0.7,
        proj_clip=0.5,
        label="all",
    ),
    layer((2, 3, 5), 7, diagonal=True, diagonal_recurrent_tensors=True, label="diagonal"),
    layer((2, 3, 5), 7, dtype="int8", label="hybrid", no_litert=HYBRID),
    layer(
        (2, 3, 5),
        7,
        4,
        dtype="int8",
        peephole=True,
        project=True,
        asymmetric_quantize_inputs=True,
        label="hybrid-all",
        no_litert=HYBRID,
    ),
    # weights that stay integers
    layer((2, 5, 29), 43, dtype="int8", scale=0.003, label="hybrid-wide", no_litert=HYBRID),
    layer(
        (3, 4, 40),
        67,
        25,
        dtype="int8",
        scale=0.003,
        coupled=True,
        peephole=True,
        project=True,
        norm=True,
        cell_clip=0.9,
        proj_clip=0.6,
        label="hybrid-wide-all",
        no_litert=HYBRID,
    ),
    step((2, 29), 67, dtype="int8", scale=0.003, label="hybrid-wide", no_litert=HYBRID),
    step((2, 5), 7),
    step((2, 5), 7, coupled=True, peephole=True, label="cifg"),
    step((2, 5), 7, 4, project=True, norm=True, cell_clip=0.5, label="all"),
    integer(2, 6, 5, 7, label="integer"),
    integer(1, 9, 16, 16, label="integer", cell_clip=10.0),
    integer(2, 4, 5, 8, coupled=True, label="integer-cifg"),
    integer(2, 4, 5, 8, peephole=True, label="integer-peephole"),
    integer(2, 4, 5, 8, 6, project=True, label="integer-projection"),
    integer(2, 4, 5, 8, norm=True, label="integer-norm"),
    integer(
        2,
        4,
        5,
        8,
        coupled=True,
        project=True,
        norm=True,
        peephole=True,
        cell_clip=2.0,
        proj_clip=0.9,
        label="integer-all",
    ),
    integer(2, 1, 5, 7, op=LSTM, label="integer"),
    integer(2, 1, 5, 8, op=LSTM, norm=True, project=True, label="integer-all"),
    basic((2, 5), 3),
    basic((2, 5), 3, dtype="int32", error="the BASIC kernel takes 5 float operands"),
    layer((2, 3, 5), 7, 4, error="as many outputs as cells"),
    layer((2, 5), 7, error="x must be [B, T, I]"),
    partly_normed(),
    layer((2, 3, 5), 7, cell_clip=-1.0, error="cell_clip and proj_clip must be at least 0"),
]
