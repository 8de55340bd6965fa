"""`keras.ops` nodes that no operators of `.tflite` can be written for: the reason, the way out."""

from __future__ import annotations

from edgewise.frontends.context import Handler, Structure, Unsupported
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.context import Context

_FACTORS = "factors a matrix by repetition until it converges; compute it outside of the model"
_COMPLEX = (
    "makes or takes a complex tensor, and .tflite computes with none; keep the real and the"
    " imaginary part as two tensors, as ops.fft does"
)
_REASONS = {
    "LuFactor": "gives factors that are not written out; use solve, inv, qr or cholesky",
    **dict.fromkeys(("Eig", "Eigh", "SVD", "Pinv", "Lstsq", "MatrixRank"), _FACTORS),
    **dict.fromkeys(("ViewAsComplex", "ViewAsReal", "Polar", "Imag"), _COMPLEX),
    "JVP": "takes the derivative of a function; write the derivative out with keras.ops",
    "CTCLoss": "is a loss of training; convert the model without it",
    "ElasticTransform": "draws random numbers; use map_coordinates with displacements of your own",
}


def _refused(reason: str) -> Handler:
    def handler(c: Context, layer: KerasLayer, *args: object, **kwargs: object) -> Structure:
        raise Unsupported(reason)

    return handler


OPERATIONS: dict[str, Handler] = {name: _refused(reason) for name, reason in _REASONS.items()}
