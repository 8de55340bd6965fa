"""What the options of `tf.lite.TFLiteConverter` ask of the quantizer, as a recipe.

Source: the rules and sentences of `QuantizationMode` in tensorflow 2.21,
`tensorflow/lite/python/lite.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ConversionError
from edgewise.ir.model import Model
from edgewise.log import log
from edgewise.values import dataclass

if TYPE_CHECKING:
    from edgewise.optimize import Ranges, Recipe
    from edgewise.optimize.observe import Sample


# TensorFlow leaves weights below this number of elements in float, in dynamic range quantization
_LEAST = 1024
_FLOAT = (DType.FLOAT32,)
_EIGHT = (DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT16)
_SIXTEEN = (DType.FLOAT32, DType.INT16)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A scheme (None: float32 as it is), whether all has to be integers, and the types that float
    inputs and outputs may get."""

    scheme: str | None = None
    integers_only: bool = False
    ends: tuple[DType, ...] = _FLOAT


def wanted(
    optimizations: Iterable[object],
    operators: Collection[str],
    types: Collection[DType],
    *,
    has_samples: bool,
) -> Wanted:
    """What the options mean.

    Args:
        operators, types: `target_spec.supported_ops` by name, and `target_spec.supported_types`.

    Raises:
        ConversionError: options that TensorFlow refuses, in its words.
    """
    eight, floats = "TFLITE_BUILTINS_INT8", {"TFLITE_BUILTINS", "SELECT_TF_OPS"} & set(operators)
    if eight in operators or set(types) == {DType.INT8}:
        if set(operators) == {eight} and not set(types) <= {DType.INT8}:
            raise ConversionError(
                "As full integer quantization has been enabled by setting "
                "`target_spec.supported_ops`={tf.lite.OpsSet.TFLITE_BUILTINS_INT8}, thus "
                "`target_spec.supported_types` should be left uninitizalized or set to {tf.int8}."
            )
        if not has_samples:
            raise ConversionError(
                "For full integer quantization, a `representative_dataset` must be specified."
            )
        if set(types) == {DType.INT8}:
            operators, floats = {eight}, set()
    names = {str(getattr(o, "name", o)) for o in optimizations}
    if not names & {"DEFAULT", "OPTIMIZE_FOR_SIZE", "OPTIMIZE_FOR_LATENCY"}:
        if eight in operators:
            log().warning("without optimizations=[Optimize.DEFAULT] the model stays float32")
        return Wanted()
    if any(name.startswith("EXPERIMENTAL_TFLITE") for name in operators):
        return Wanted("static_wi8_ai16", not floats, _SIXTEEN) if has_samples else Wanted()
    narrowest = min((t.bits for t in types), default=8)
    if has_samples and narrowest == 8:
        return Wanted("static_wi8_ai8", not floats, _EIGHT)
    if narrowest == 16 and DType.FLOAT16 in types:
        return Wanted("float16")
    return Wanted("dynamic_wi8_afp32") if narrowest == 8 else Wanted()


def check_ends(found: Wanted, given: Iterable[DType | None]) -> None:
    """Refuse types of inputs and outputs as TensorFlow does. Raises ConversionError."""
    if all(dtype in (None, *found.ends) for dtype in given):
        return
    if found.ends == _FLOAT:
        raise ConversionError(
            "The inference_input_type and inference_output_type must be tf.float32."
        )
    names = [f"tf.{dtype.text}" for dtype in found.ends]
    raise ConversionError(f"The inference_input_type and inference_output_type must be in {names}.")


def quantized(
    model: Model,
    found: Wanted,
    dataset: object,
    ends: tuple[DType | None, DType | None],
    target: str | None,
) -> Model:
    """The model as wanted, calibrated with `representative_dataset`.

    Raises:
        QuantizationError: integers only, and operators that cannot be; all are listed.
    """
    if found.scheme is None:
        return model
    from edgewise.optimize import Recipe, quantize
    from edgewise.optimize.quantize import NothingToQuantize

    is_dynamic = found.scheme.startswith("dynamic")
    recipe = Recipe(found.scheme, min_elements=_LEAST if is_dynamic else 0)
    ranges, samples = _seen(model, recipe, dataset)
    try:
        return quantize(
            model,
            recipe,
            ranges,
            samples=samples,
            input_dtype=ends[0] or DType.FLOAT32,
            output_dtype=ends[1] or DType.FLOAT32,
            integers_only=found.integers_only,
            target=target,
        )
    except NothingToQuantize as reason:
        if found.integers_only:
            raise
        log().warning("%s", reason)  # TensorFlow writes the float model, too
        return model


def _seen(
    model: Model, recipe: Recipe, dataset: object
) -> tuple[Ranges | None, list[Sample] | None]:
    """What the samples show: the ranges where they are pairs of a signature's key and arrays;
    otherwise the samples themselves, lists or dicts by input name."""
    if not recipe.is_static:
        return None, None
    from edgewise.optimize import calibrate

    samples = _samples(dataset)
    if not (samples and all(_is_keyed(sample) for sample in samples)):
        return None, [_arrays(sample) for sample in samples]
    found: Ranges | None = None
    for key in dict.fromkeys(sample[0] for sample in samples):  # type: ignore[index]
        own = [_arrays(s[1]) for s in samples if s[0] == key]  # type: ignore[index]
        ranges = calibrate(model, own, signature=str(key))
        found = ranges if found is None else found.union(ranges)
    return found, None


def _is_keyed(sample: object) -> bool:
    return isinstance(sample, tuple) and len(sample) == 2 and isinstance(sample[0], str)


def _samples(dataset: object) -> list[object]:
    make = getattr(dataset, "input_gen", dataset)
    if not callable(make):
        raise ConversionError(
            "representative_dataset must be a function that returns an iterator of samples; "
            f"got {type(make).__name__}"
        )
    return list(make())


def _arrays(sample: object) -> list[np.ndarray] | dict[str, np.ndarray]:
    """Arrays of whatever offers them: tf.Tensor, torch.Tensor, lists."""
    if isinstance(sample, Mapping):
        return {str(name): np.asarray(array) for name, array in sample.items()}
    if isinstance(sample, list | tuple):
        return [np.asarray(array) for array in sample]
    return [np.asarray(sample)]
