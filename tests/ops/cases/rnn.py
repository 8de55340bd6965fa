"""Cases of ops/rnn.py."""

from edgewise.ir import Quant
from edgewise.ir.enums import Activation
from edgewise.ops.rnn import RNN, UnidirectionalSequenceRNN
from tests.ops.case import Case, arg, weights


def recurrent(op, x, units, *, batch=None, dtype="float32", scale=0.01, label="", error="",
              **attributes):  # fmt: skip
    quant = {"quant": Quant(scale)} if dtype == "int8" else {}
    return Case(
        op(**attributes),
        (
            arg(x),
            weights((units, x[-1]), dtype, low=-1, high=1, **quant),
            weights((units, units), dtype, low=-1, high=1, **quant),
            weights((units,)),
            arg((x[0] if batch is None else batch, units), variable=True),
        ),
        label=label,
        error=error,
        no_litert="quantizes activations on the fly" if quant else "",
    )


RELU, TANH = Activation.RELU, Activation.TANH

CASES = [
    recurrent(RNN, (2, 5), 3, fused_activation_function=TANH),
    recurrent(RNN, (1, 1), 1, label="ones"),
    recurrent(RNN, (2, 5), 3, dtype="int8", fused_activation_function=TANH, label="hybrid"),
    recurrent(RNN, (2, 5), 3, batch=3, error="hidden_state must be [2, 3]"),
    recurrent(RNN, (2, 4, 5), 3, error="x must be [B, I]"),
    recurrent(UnidirectionalSequenceRNN, (2, 7, 5), 3, fused_activation_function=TANH),
    recurrent(UnidirectionalSequenceRNN, (1, 1, 1), 1, label="ones"),
    recurrent(
        UnidirectionalSequenceRNN,
        (7, 2, 5),
        3,
        batch=2,
        time_major=True,
        fused_activation_function=RELU,
        label="time-major",
    ),
    recurrent(
        UnidirectionalSequenceRNN,
        (2, 7, 5),
        3,
        dtype="int8",
        asymmetric_quantize_inputs=True,
        fused_activation_function=TANH,
        label="hybrid",
    ),
    recurrent(
        UnidirectionalSequenceRNN,
        (2, 7, 33),
        65,
        dtype="int8",
        scale=0.001,
        fused_activation_function=TANH,
        label="hybrid-wide",
    ),
    recurrent(UnidirectionalSequenceRNN, (2, 5), 3, error="x must be [B, T, I]"),
]
