"""Why a primitive has no handler, and the way out."""

from __future__ import annotations

from edgewise.frontends.reasons import reason_of

_RANDOM = (
    "draws random numbers, which a converted model cannot; draw them only where `training` is"
    " true, or give them as an input"
)
_MATRIX = (
    "matrices are not decomposed or solved in a .tflite model; compute it before and give the"
    " result as an input or a constant"
)
_SPECIAL = "there is no formula for this function here; give its results as an input"
_PYTHON = "Python code is never executed in a converted model; write the function with jax.numpy"
_DEVICES = "a converted model runs on one device; call the function outside of shard_map and pmap"
_GRADIENT = "this gradient is not converted; convert the function that only predicts"
_BITS = "bits of numbers are not taken apart in a .tflite model; compute it with arithmetic"
_KERNEL = "kernels written for one device are not read; write the function with jax.numpy"
_OTHER = "has no handler in this version; write it with other functions of jax.numpy"

# reason by pattern of the primitive's name; the first that matches counts
_REASONS = {
    r"random_.*|threefry2x32|rng_.*|.*_random": _RANDOM,
    r"cholesky.*|lu|lu_pivots.*|qr|geqrf|geqp3|householder.*|svd|eigh?|schur|hessenberg|sylvester"
    r"|triangular_solve|tridiagonal.*|custom_linear_solve|linear_solve|sqrtm": _MATRIX,
    r"igamma.*|random_gamma_grad|regularized_incomplete_beta|bessel.*|polygamma|zeta": _SPECIAL,
    r".*callback.*|.*infeed|outfeed|ffi_call|debug_.*": _PYTHON,
    r"p(sum|max|min|permute|vary|gather).*|all_.*|ragged_all.*|axis_index|shard_map|xla_pmap"
    r"|reduce_scatter": _DEVICES,
    r"select_and_(scatter|gather).*": _GRADIENT,
    r"bitcast_convert_type|population_count|clz|nextafter": _BITS,
    r"pallas_call|.*custom_call.*|tpu_.*": _KERNEL,
}


def why_not(name: str) -> str:
    """The sentence for a primitive that nothing handles."""
    return reason_of(name, _REASONS, _OTHER)
