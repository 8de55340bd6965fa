"""`tf.lite.TFLiteConverter` and its option values, on Edgewise's converter.

Source: the public names and defaults of tensorflow 2.21, `tensorflow/lite/python/lite.py`.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgewise import api
from edgewise.dtypes import DType
from edgewise.errors import ConversionError
from edgewise.lite.nearest import no_attribute
from edgewise.lite.notice import ignored
from edgewise.lite.quantization import Wanted, check_ends, quantized, wanted
from edgewise.passes import canonicalize

_LITERT = "litert-2.3"  # what TFLITE_BUILTINS means
_BUILTIN = {
    "TFLITE_BUILTINS",
    "TFLITE_BUILTINS_INT8",
    "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8",
}


@enum.unique
class Optimize(enum.Enum):
    """What to optimise for; everything but EXPERIMENTAL_SPARSITY means DEFAULT."""

    DEFAULT = "DEFAULT"
    OPTIMIZE_FOR_SIZE = "OPTIMIZE_FOR_SIZE"
    OPTIMIZE_FOR_LATENCY = "OPTIMIZE_FOR_LATENCY"
    EXPERIMENTAL_SPARSITY = "EXPERIMENTAL_SPARSITY"

    def __str__(self) -> str:
        return str(self.value)


@enum.unique
class OpsSet(enum.Enum):
    """Operator sets a converted model may use."""

    TFLITE_BUILTINS = "TFLITE_BUILTINS"
    SELECT_TF_OPS = "SELECT_TF_OPS"
    TFLITE_BUILTINS_INT8 = "TFLITE_BUILTINS_INT8"
    EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8 = (
        "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
    )
    EXPERIMENTAL_STABLEHLO_OPS = "EXPERIMENTAL_STABLEHLO_OPS"

    def __str__(self) -> str:
        return str(self.value)

    @staticmethod
    def get_options() -> list[str]:
        """The names of all members."""
        return [str(option) for option in OpsSet]


class RepresentativeDataset:
    """Wraps a function that returns an iterator over samples."""

    def __init__(self, input_gen: Callable[[], Iterable[object]]) -> None:
        self.input_gen = input_gen


class TargetSpec:
    """What the target supports."""

    def __init__(
        self,
        supported_ops: Iterable[OpsSet] | None = None,
        supported_types: Iterable[object] | None = None,
        experimental_select_user_tf_ops: Iterable[str] | None = None,
        experimental_supported_backends: Iterable[str] | None = None,
    ) -> None:
        self.supported_ops = {OpsSet.TFLITE_BUILTINS} if supported_ops is None else supported_ops
        self.supported_types = set() if supported_types is None else supported_types
        self.experimental_select_user_tf_ops = set(experimental_select_user_tf_ops or ())
        self.experimental_supported_backends = experimental_supported_backends


class TFLiteConverter:
    """Converts a model to `.tflite` bytes; make one with a `from_...` constructor.

        converter = lite.TFLiteConverter.from_keras_model(model)
        tflite_model = converter.convert()

    The attributes are those of `tf.lite.TFLiteConverter`. Setting one that TensorFlow has and
    that means nothing here warns once; an attribute nobody has raises AttributeError.
    """

    # attribute: default, as in tensorflow 2.21; those in _WITHOUT_MEANING change nothing here
    _DEFAULTS: ClassVar[dict[str, object]] = {
        "allow_custom_ops": False,
        "canonicalizing_inf_as_min_max_float": True,
        "elide_elementsattrs_if_larger": None,
        "enable_timing": None,
        "exclude_conversion_metadata": False,
        "experimental_enable_resource_variables": True,
        "experimental_lower_to_saved_model": True,
        "experimental_new_converter": True,
        "experimental_new_dynamic_range_quantizer": True,
        "experimental_new_quantizer": True,
        "experimental_stablehlo_quantizer_config": None,
        "experimental_use_stablehlo_quantizer": False,
        "inference_input_type": np.float32,
        "inference_output_type": np.float32,
        "ir_dump_dir": None,
        "ir_dump_func_regex": None,
        "ir_dump_pass_regex": None,
        "legalize_custom_tensor_list_ops": False,
        "model_origin_framework": "UNSET",
        "optimizations": frozenset(),
        "print_ir_after": None,
        "print_ir_before": None,
        "print_ir_module_scope": None,
        "representative_dataset": None,
        "saved_model_dir": None,
        "serialize_debug_metadata": False,
        "target_spec": None,
        "unfold_batchmatmul": False,
    }
    _WITHOUT_MEANING: ClassVar[dict[str, str]] = {
        "elide_elementsattrs_if_larger": "it configures TensorFlow's MLIR dumps",
        "enable_timing": "it times TensorFlow's MLIR passes",
        "experimental_enable_resource_variables": "variables always stay resource variables",
        "experimental_lower_to_saved_model": "no SavedModel is written on the way",
        "experimental_new_converter": "there is one converter",
        "experimental_new_dynamic_range_quantizer": "there is one quantizer",
        "experimental_new_quantizer": "there is one quantizer",
        "experimental_stablehlo_quantizer_config": "there is one quantizer",
        "experimental_use_stablehlo_quantizer": "there is one quantizer",
        "ir_dump_dir": "it configures TensorFlow's MLIR dumps",
        "ir_dump_func_regex": "it configures TensorFlow's MLIR dumps",
        "ir_dump_pass_regex": "it configures TensorFlow's MLIR dumps",
        "legalize_custom_tensor_list_ops": "tensor lists never become custom operators",
        "print_ir_after": "it configures TensorFlow's MLIR dumps",
        "print_ir_before": "it configures TensorFlow's MLIR dumps",
        "print_ir_module_scope": "it configures TensorFlow's MLIR dumps",
        "serialize_debug_metadata": "source locations are kept in the model itself",
        "unfold_batchmatmul": "batch matmul stays one operator",
    }

    def __init__(self, funcs: Sequence[object], trackable_obj: object | None = None) -> None:
        """As in TensorFlow: concrete functions; see `from_concrete_functions`."""
        functions = list(funcs)
        self._prepare(lambda: api.convert(functions, trackable=trackable_obj))

    @classmethod
    def from_keras_model(cls, model: object) -> TFLiteConverter:
        """A converter for a Keras model object (any Keras, any back end) or a Keras file."""
        return cls._of(lambda: _read(model))

    @classmethod
    def from_saved_model(
        cls,
        saved_model_dir: object,
        signature_keys: Sequence[str] | None = None,
        tags: Iterable[str] | None = None,
    ) -> TFLiteConverter:
        """A converter for a SavedModel directory (or, as many tutorials do, a model object).
        Without `signature_keys` it is `serving_default` or the only signature."""
        if not isinstance(saved_model_dir, str | os.PathLike):
            return cls._of(lambda: _read(saved_model_dir))
        path, tags = Path(saved_model_dir), None if tags is None else list(tags)
        converter = cls._of(lambda: api.convert(path, signature_keys=signature_keys, tags=tags))
        object.__setattr__(converter, "saved_model_dir", os.fspath(saved_model_dir))
        return converter

    @classmethod
    def from_concrete_functions(
        cls, funcs: Sequence[object], trackable_obj: object | None = None
    ) -> TFLiteConverter:
        """A converter for `tf.function` concrete functions."""
        return cls(funcs, trackable_obj)

    @classmethod
    def experimental_from_jax(
        cls, serving_funcs: Sequence[object], inputs: Sequence[object]
    ) -> TFLiteConverter:
        """A converter for JAX functions."""
        return cls._of(lambda: _refuse("experimental_from_jax", "JAX functions"))

    def convert(self) -> bytes:
        """The `.tflite` file.

        Raises:
            ConversionError: the source cannot be converted, or options that TensorFlow refuses,
                too, or that this version does not have; the message says which.
            QuantizationError: operators that have no integer form, where `supported_ops` leaves
                nothing else; all are listed.
            UnsupportedOp: operators that LiteRT does not run, where `target_spec.supported_ops` has
                builtin ones only, as by default; all are listed.
        """
        found, ends = self._wanted()
        model, target = self._source(), self._target()
        if target is None:  # LiteRT all the same: its loops run at any batch
            model = canonicalize(model, fuse_loops=False, target=_LITERT)
        model = quantized(model, found, self.representative_dataset, ends, target)
        return model.to_bytes(target=target)

    def _target(self) -> str | None:
        """The release that has to run the file: TensorFlow Lite's builtin operators are those of
        LiteRT. With others beside them, only whoever made these knows."""
        return _LITERT if self._operators() <= _BUILTIN else None

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("_experimental_"):
            ignored(f"TFLiteConverter.{name}", "it configures TensorFlow's own converter")
        elif name not in self._DEFAULTS and not name.startswith("_"):
            raise no_attribute(type(self).__name__, name, self._DEFAULTS)
        elif name in self._WITHOUT_MEANING and value != self._DEFAULTS[name]:
            ignored(f"TFLiteConverter.{name}", self._WITHOUT_MEANING[name])
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        raise no_attribute(type(self).__name__, name, {*self._DEFAULTS, *dir(type(self))})

    @classmethod
    def _of(cls, source: Callable[[], api.Model]) -> TFLiteConverter:
        converter = cls.__new__(cls)
        converter._prepare(source)
        return converter

    def _prepare(self, source: Callable[[], api.Model]) -> None:
        for name, default in self._DEFAULTS.items():
            object.__setattr__(self, name, default)
        object.__setattr__(self, "optimizations", set())
        object.__setattr__(self, "target_spec", TargetSpec())
        self._source = source

    def _operators(self) -> set[str]:
        return {str(getattr(ops, "name", ops)) for ops in self.target_spec.supported_ops}

    def _wanted(self) -> tuple[Wanted, tuple[DType | None, DType | None]]:
        """What the options ask for, and the types of inputs and outputs. Raises ConversionError."""
        operators = self._operators()
        others = operators - _BUILTIN - {OpsSet.SELECT_TF_OPS.name}
        asked = [f"target_spec.supported_ops={sorted(others)}"] if others else []
        if any(o is Optimize.EXPERIMENTAL_SPARSITY for o in self.optimizations):
            asked.append("optimizations=['EXPERIMENTAL_SPARSITY']")
        if asked:
            raise ConversionError(
                "TFLiteConverter: this version writes dense models of TensorFlow Lite's builtin "
                f"operators; got {', '.join(asked)}. Remove that"
            )
        types = {_dtype(t) for t in self.target_spec.supported_types} - {None}
        found = wanted(
            self.optimizations,
            operators,
            {t for t in types if t is not None},
            has_samples=self.representative_dataset is not None,
        )
        ends = _dtype(self.inference_input_type), _dtype(self.inference_output_type)
        check_ends(found, ends)
        return found, ends


def _read(source: object) -> api.Model:
    """A path by its content; an object that can save itself as a Keras model."""
    if isinstance(source, str | os.PathLike | api.Model) or not hasattr(source, "save"):
        return api.convert(source)
    return api.convert_keras_object(source)


def _refuse(constructor: str, what: str) -> api.Model:
    raise ConversionError(
        f"TFLiteConverter.{constructor}: {what} need a frontend that this version does not have; "
        "save the Keras model as a .keras file and use from_keras_model with its path"
    )


def _dtype(given: object) -> DType | None:
    """The DType of a NumPy dtype, a tf.DType, or None. Raises ConversionError."""
    if given is None:
        return None
    try:
        return DType.of(getattr(given, "as_numpy_dtype", given))  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ConversionError(f"TFLiteConverter: {given!r} is not an element type") from error
