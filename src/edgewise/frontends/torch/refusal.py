"""Why an operation has no handler, and the way out."""

from __future__ import annotations

from edgewise.frontends.reasons import reason_of
from edgewise.frontends.torch.program import TorchNode

RANDOM = (
    "it draws random numbers, which a converted model cannot; draw them only where `training` is"
    " true"
)
_STATE = (
    "it updates a tensor in place; a converted model has no such state: return the value and feed"
    " it back"
)
_DATA = (
    "its shape depends on the elements of a tensor, or Python decides by them; use torch.where, or"
    " compute it before"
)
_SOLVED = (
    "matrices are not decomposed or solved in a .tflite model; compute it before and give the"
    " result as an input"
)
_QUANTIZED = "PyTorch's quantized operations are not converted; export the float model"
OF_COMPLEX = (
    "complex numbers are computed with as pairs of floats only; write it with torch.real/imag"
)

# reason by pattern of the operation's name; the first that matches counts
_REASONS = {
    r"rand.*|normal.*|bernoulli.*|multinomial|uniform.*|exponential.*|poisson|rrelu.*": RANDOM,
    r".*_dropout.*|alpha_dropout|feature_.*": RANDOM,
    r"item|_local_scalar_dense|nonzero.*|masked_select|unique.*|_unique.*|bincount|argwhere": _DATA,
    r"linalg_.*|svd.*|cholesky.*|lu.*|qr|eig.*|inverse|det|slogdet|logdet|pinverse": _SOLVED,
    r"quantize_.*|dequantize.*|_quantized.*|quantized.*|fake_quantize.*": _QUANTIZED,
    r"fft_.*|istft|.*complex.*": OF_COMPLEX,
    r"(?!__).*[a-z0-9]_": _STATE,
}


def why_not(node: TorchNode) -> str:
    """The sentence for an operation that nothing handles."""
    return reason_of(node.base, _REASONS)
