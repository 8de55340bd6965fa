"""TensorFlow functions in functional models of Keras 2: TFOpLambda and SlicingOpLambda layers.

A file names the function (`math.add`, `nn.relu`); it is no code. Each is the `keras.ops` operation
that means the same, its arguments given new names; `name` does nothing.
Source: keras/layers/core/tf_op_layer.py of Keras 2.15; signatures of TensorFlow 2.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Structure, Unsupported, only_value
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers import (
    operations,
    operations_index,
    operations_join,
    operations_linear,
    operations_nn,
    operations_reduce,
    operations_shape,
    operations_windows,
    tf_functions,
)
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, tensor
from edgewise.ir.graph import Value

_OPERATIONS: dict[str, Handler] = {}


for _module in (
    operations,
    operations_index,
    operations_join,
    operations_linear,
    operations_nn,
    operations_reduce,
    operations_shape,
    operations_windows,
):
    _OPERATIONS |= _module.OPERATIONS


def tf_function(c: Context, layer: KerasLayer, *args: object, **kwargs: object) -> Structure:
    """The function that the layer's config names."""
    name = str(layer.config.get("function")).removeprefix("compat.v1.")
    kwargs.pop("name", None)
    own = _OWN.get(name)
    if own is not None:
        return own(c, layer, *args, **kwargs)
    row = tf_functions.ROWS.get(name)
    if row is None:
        raise Unsupported(f"the function tf.{name} has no handler in this version; use others")
    return _called(c, layer, row, args, kwargs)


def _called(
    c: Context,
    layer: KerasLayer,
    row: tuple[str, list[str]],
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
) -> Structure:
    operation, parameters = row
    names = [parameter.split("=")[0] for parameter in parameters]
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    tensors: list[object] = []
    config = dict(tf_functions.DEFAULTS.get(operation, {}))
    for parameter, key in zip(parameters, names, strict=True):
        entry = parameter.split("=")[-1]
        value = given.pop(key, None)
        if "=" in parameter or entry in tf_functions.CONFIG_ENTRIES:
            config |= {} if value is None else {entry: value}
        else:
            tensors.append(value)
    meant = [
        key
        for key, value in given.items()
        if value is not None and value != tf_functions.IDLE.get(key)
    ]
    if meant:
        raise Unsupported(f"its argument {', '.join(meant)}; leave it out")
    handler = _OPERATIONS[operation]
    return handler(c, replace(layer, class_name=operation, config=config), *tensors)


def _cast(c: Context, layer: KerasLayer, x: Operand, dtype: str = "float32") -> Structure:
    made = replace(layer, class_name="Cast", config={"dtype": dtype})
    return _OPERATIONS["Cast"](c, made, x)


def _clip(
    c: Context, layer: KerasLayer, t: Operand, clip_value_min: float, clip_value_max: float
) -> Structure:
    config = {"x_min": clip_value_min, "x_max": clip_value_max}
    return _OPERATIONS["Clip"](c, replace(layer, class_name="Clip", config=config), t)


def _reshape(c: Context, layer: KerasLayer, x: Operand, shape: object) -> Value:
    if isinstance(shape, Value):
        return c.b.reshape(tensor(c, x), shape)
    return operations_shape.reshaped(c, tensor(c, x), shape)  # type: ignore[arg-type]


def _matmul(
    c: Context,
    layer: KerasLayer,
    a: Operand,
    b: Operand,
    transpose_a: bool = False,
    transpose_b: bool = False,
    **others: object,
) -> Structure:
    if any(others.values()):
        raise Unsupported(f"its arguments {', '.join(others)}; leave them out")
    x, y = _swapped(c, a, transpose_a), _swapped(c, b, transpose_b)
    return _OPERATIONS["Matmul"](c, layer, x, y)


def _swapped(c: Context, x: Operand, is_transposed: bool) -> Value:
    """x with its last two axes swapped."""
    y = tensor(c, x)
    rank = len(y.shape)
    return c.transpose(y, [*range(rank - 2), rank - 1, rank - 2]) if is_transposed else y


def _extreme(operation: str) -> Handler:
    def handler(
        c: Context,
        layer: KerasLayer,
        x: Operand,
        axis: int = 0,
        output_type: str = "int64",
    ) -> Value:
        made = replace(layer, class_name=operation, config={"axis": axis})
        found = only_value(_OPERATIONS[operation](c, made, x))
        return c.cast(found, DType.INT32 if output_type == "int32" else DType.INT64)

    return handler


def _shape(c: Context, layer: KerasLayer, x: Operand, out_type: object = None) -> Value:
    return c.b.shape(tensor(c, x))


def _pad(
    c: Context,
    layer: KerasLayer,
    x: Operand,
    paddings: object,
    mode: str = "CONSTANT",
    constant_values: float = 0,
) -> Structure:
    made = replace(layer, class_name="Pad", config={"pad_width": paddings, "mode": mode.lower()})
    return _OPERATIONS["Pad"](c, made, x, constant_values)


def _one_hot(
    c: Context, layer: KerasLayer, indices: Operand, depth: int, axis: int = -1
) -> Structure:
    config = {"num_classes": depth, "axis": axis}
    return _OPERATIONS["OneHot"](c, replace(layer, class_name="OneHot", config=config), indices)


def _resize(
    c: Context, layer: KerasLayer, images: Operand, size: object, method: str = "bilinear"
) -> Structure:
    config = {"size": size, "interpolation": method}
    return _OPERATIONS["Resize"](c, replace(layer, class_name="Resize", config=config), images)


def slicing(c: Context, layer: KerasLayer, x: Operand, slice_spec: object) -> Value:
    """x[...]."""
    return operations_index.indexed(c, tensor(c, x), slice_spec)


_OWN: dict[str, Handler] = {
    "cast": _cast,
    **dict.fromkeys(("matmul", "linalg.matmul"), _matmul),
    **dict.fromkeys(("argmax", "math.argmax"), _extreme("Argmax")),
    **dict.fromkeys(("argmin", "math.argmin"), _extreme("Argmin")),
    "clip_by_value": _clip,
    "reshape": _reshape,
    "shape": _shape,
    "pad": _pad,
    "one_hot": _one_hot,
    "image.resize": _resize,
    "__operators__.getitem": slicing,
}


HANDLERS: dict[str, Handler] = {"TFOpLambda": tf_function, "SlicingOpLambda": slicing}
