"""Cases of ops/bidirectional.py."""

from edgewise.ir import Quant
from edgewise.ir.enums import Activation
from edgewise.ops.bidirectional import BidirectionalSequenceLSTM, BidirectionalSequenceRNN
from tests.ops.case import Case, arg, weights

TANH = Activation.TANH
HYBRID = "quantizes activations on the fly"


def matrix(shape, dtype="float32"):
    wide = max(shape) > 24
    quant = {"quant": Quant(0.003 if wide else 0.01)} if dtype == "int8" else {}
    return weights(shape, dtype, low=-1, high=1, **quant)


def lstm(x, cells, outputs=None, *, aux=None, linked=False, coupled=False, peephole=False,
         project=False, dtype="float32", label="", error="", no_litert="",
         **attributes):  # fmt: skip
    outputs = outputs or cells
    batch = x[1] if attributes.get("time_major", True) else x[0]
    args = [arg(x)]
    for direction in (0, 1):
        size = aux[2] if direction and aux and not linked else x[2]
        part = [matrix((cells, size), dtype) for _ in range(4)]
        part += [matrix((cells, outputs), dtype) for _ in range(4)]
        part += [matrix((cells,), dtype) if peephole else None for _ in range(3)]
        part += [weights((cells,)) for _ in range(4)]
        part += [matrix((outputs, cells), dtype), weights((outputs,))] if project else [None] * 2
        if coupled:
            for index in (0, 4, 8, 11):
                part[index] = None
        args += part
    for _ in range(2):
        args += [arg((batch, outputs), variable=True), arg((batch, cells), variable=True)]
    args.append(arg(aux) if aux else None)
    args += [matrix((cells, aux[2]), dtype) if linked else None for _ in range(8)]
    operator = BidirectionalSequenceLSTM(fused_activation_function=TANH, **attributes)
    return Case(operator, tuple(args), label=label, error=error, no_litert=no_litert)


def rnn(x, units, *, aux=None, linked=False, dtype="float32", label="", error="", no_litert="",
        **attributes):  # fmt: skip
    batch = x[1] if attributes.get("time_major", False) else x[0]
    args = [arg(x)]
    for direction in (0, 1):
        size = aux[2] if direction and aux and not linked else x[2]
        args += [matrix((units, size), dtype), matrix((units, units), dtype), weights((units,))]
        args.append(arg((batch, units), variable=True))
    args.append(arg(aux) if aux else None)
    args += [matrix((units, aux[2]), dtype) if linked else None for _ in range(2)]
    operator = BidirectionalSequenceRNN(fused_activation_function=TANH, **attributes)
    return Case(operator, tuple(args), label=label, error=error, no_litert=no_litert)


CASES = [
    lstm((5, 2, 3), 4),
    lstm((1, 1, 1), 1, label="ones"),
    lstm((2, 5, 3), 4, time_major=False, label="batch-major"),
    lstm((5, 2, 3), 4, merge_outputs=True, label="merged"),
    lstm(
        (5, 2, 3),
        4,
        3,
        merge_outputs=True,
        coupled=True,
        peephole=True,
        project=True,
        cell_clip=0.8,
        proj_clip=0.5,
        label="all",
    ),
    lstm(
        (2, 5, 3),
        4,
        time_major=False,
        merge_outputs=True,
        label="batch-major-merged",
        no_litert="its first result depends on uninitialised memory",
    ),
    lstm((5, 2, 3), 4, aux=(5, 2, 3), label="stacked"),
    lstm((5, 2, 3), 4, aux=(5, 2, 6), linked=True, label="linked"),
    lstm((5, 2, 3), 4, dtype="int8", label="hybrid", no_litert=HYBRID),
    lstm((4, 2, 30), 33, dtype="int8", merge_outputs=True, label="hybrid-wide", no_litert=HYBRID),
    lstm((5, 2, 3), 4, 3, error="as many outputs as cells"),
    lstm((5, 2, 3), 4, aux=(4, 2, 3), error="aux_input must begin with [5, 2]"),
    rnn((2, 5, 3), 4),
    rnn((5, 2, 3), 4, time_major=True, merge_outputs=True, label="merged"),
    rnn((5, 2, 3), 4, aux=(5, 2, 3), time_major=True, label="stacked"),
    rnn((2, 5, 3), 4, aux=(2, 5, 3), label="stacked", no_litert="its backward cell reads x"),
    rnn((2, 5, 3), 4, aux=(2, 5, 6), linked=True, label="linked"),
    rnn(
        (2, 5, 3),
        4,
        dtype="int8",
        asymmetric_quantize_inputs=True,
        label="hybrid",
        no_litert=HYBRID,
    ),
    rnn((2, 5, 3), 4, aux=(2, 4, 3), error="aux_input must begin with [2, 5]"),
]
