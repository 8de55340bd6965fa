"""LSTM and SimpleRNN layers as one operator over the whole sequence.

The operators' state tensors are zero at first, like Keras's, and hold the last state afterwards:
reset the interpreter's variables between sequences that have nothing to do with each other.
Source: TensorFlow Lite unidirectional_sequence_lstm.cc (gates input, forget, cell, output, the
order of Keras's kernel), unidirectional_sequence_rnn.cc.
"""

from __future__ import annotations

import numpy as np

from edgewise.frontends.keras.description import FunctionRef, KerasLayer
from edgewise.frontends.keras.handlers.config import integer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType

_FUSED = {
    None: Activation.NONE,
    "linear": Activation.NONE,
    "relu": Activation.RELU,
    "relu6": Activation.RELU6,
    "tanh": Activation.TANH,
}


def can_fuse(c: Context, cell: KerasLayer, x: Value) -> bool:
    """The operator has the cell's activations, and its variables a batch that a file can say: a
    number, or that of the model's inputs, which -1 stands for.

    LiteRT's LSTM without an activation reads memory that nobody wrote (`kTfLiteActNone` of
    ApplyActivationToVector, tensor_utils.h), so a linear one is no case for it.
    """
    if not cell.is_builtin or _name(cell, "activation") not in _FUSED:
        return False
    batch = x.shape[0]
    if not isinstance(batch, int) and (batch,) not in [v.shape[:1] for v in c.b.graph.inputs]:
        return False
    kind = cell.class_name.removesuffix("Cell")
    if kind == "LSTM":
        is_linear = _FUSED[_name(cell, "activation")] is Activation.NONE
        return not is_linear and _name(cell, "recurrent_activation") == "sigmoid"
    return kind == "SimpleRNN"


def fused(c: Context, cell: KerasLayer, x: Value) -> Value:
    """x [B, T, I] through the cell, step after step: [B, T, U]."""
    units = integer(cell, "units")
    activation = _FUSED[_name(cell, "activation")]
    if cell.class_name.removesuffix("Cell") == "SimpleRNN":
        return c.b.unidirectional_sequence_rnn(
            x, *_matrices(c, cell, units, 1), _state(c, x, units, "hidden_state"),
            fused_activation_function=activation,
        )  # fmt: skip
    matrices = _matrices(c, cell, units, 4)
    none = [None] * 3  # no peepholes
    states = (_state(c, x, units, name) for name in ("output_state", "cell_state"))
    return c.b.unidirectional_sequence_lstm(
        x, *matrices[:8], *none, *matrices[8:], None, None, *states,
        fused_activation_function=activation,
    )  # fmt: skip


def _matrices(c: Context, cell: KerasLayer, units: int, gates: int) -> list[Value]:
    """Kernels, recurrent kernels and biases of every gate, outputs first; no bias is zeros."""
    bias = cell.weights.get("bias")
    arrays = {
        "kernel": c.weight(cell, "kernel"),
        "recurrent_kernel": c.weight(cell, "recurrent_kernel"),
        "bias": np.zeros(gates * units, np.float32) if bias is None else c.weight(cell, "bias"),
    }
    return [
        c.constant(cell, f"{name}_{gate}" if gates > 1 else name, part.T)
        for name, array in arrays.items()
        for gate, part in enumerate(np.split(array, gates, axis=-1))
    ]


def _state(c: Context, x: Value, units: int, name: str) -> Value:
    label = "/".join([*c.path, name])
    return Value(TensorType((x.shape[0], units), x.dtype), label, is_variable=True)


def _name(cell: KerasLayer, key: str) -> str | None:
    """The name of an activation of Keras's own; None where there is none, "?" for others."""
    spec = cell.config.get(key)
    if spec is None or isinstance(spec, str):
        return spec
    return spec.name if isinstance(spec, FunctionRef) and spec.module == "builtins" else "?"
