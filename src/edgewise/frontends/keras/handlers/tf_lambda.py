"""TensorFlow functions in functional models of Keras 2: TFOpLambda and SlicingOpLambda layers.

A file names the function (`math.add`, `nn.relu`); it is no code. Each is the `keras.ops` operation
that means the same, its arguments given new names; `name` does nothing.
Source: keras/layers/core/tf_op_layer.py of Keras 2.15; signatures of TensorFlow 2.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers import (
    operations,
    operations_index,
    operations_linear,
    operations_nn,
    operations_reduce,
    operations_shape,
)
from edgewise.frontends.keras.handlers.context import Context, Handler, Structure, Unsupported
from edgewise.frontends.keras.handlers.operands import Operand, tensor
from edgewise.ir.graph import Value

_OPERATIONS: dict[str, Handler] = {}
for _module in (
    operations,
    operations_index,
    operations_linear,
    operations_nn,
    operations_reduce,
    operations_shape,
):
    _OPERATIONS |= _module.OPERATIONS

# function: operation, its tensor arguments in order, then `argument=entry of the config`
_TABLE = """
math.add __operators__.add : Add x y
math.subtract subtract : Subtract x y
math.multiply multiply : Multiply x y
math.divide math.truediv truediv divide realdiv : TrueDivide x y
math.divide_no_nan : DivideNoNan x y
math.floordiv floordiv : FloorDivide x y
math.floormod math.mod : Mod x y
math.pow pow : Power x y
math.maximum maximum : Maximum x y
math.minimum minimum : Minimum x y
math.atan2 : Arctan2 y x
math.equal equal : Equal x y
math.not_equal not_equal : NotEqual x y
math.less less : Less x y
math.less_equal less_equal : LessEqual x y
math.greater greater : Greater x y
math.greater_equal greater_equal : GreaterEqual x y
math.logical_and logical_and : LogicalAnd x y
math.logical_or logical_or : LogicalOr x y
math.logical_not logical_not : LogicalNot x
math.abs abs : Absolute x
math.negative negative : Negative x
math.square square : Square x
math.sqrt sqrt : Sqrt x
math.rsqrt rsqrt : Rsqrt x
math.exp exp : Exp x
math.expm1 : Expm1 x
math.log : Log x
math.log1p : Log1p x
math.sin sin : Sin x
math.cos cos : Cos x
math.tan tan : Tan x
math.tanh tanh nn.tanh : Tanh x
math.sigmoid nn.sigmoid : Sigmoid x
math.sign sign : Sign x
math.floor floor : Floor x
math.ceil : Ceil x
math.round round : Round x
math.reciprocal : Reciprocal x
math.erf : Erf x
math.is_nan : Isnan x
math.softplus nn.softplus : Softplus features
nn.relu : Relu features
nn.relu6 : Relu6 features
nn.elu : Elu features
nn.selu : Selu features
nn.silu nn.swish : Silu features
nn.softsign : Softsign features
nn.gelu : Gelu features approximate
nn.leaky_relu : LeakyRelu features alpha=negative_slope
nn.softmax : Softmax logits axis
nn.log_softmax : LogSoftmax logits axis
math.reduce_mean reduce_mean : Mean input_tensor axis keepdims
math.reduce_sum reduce_sum : Sum input_tensor axis keepdims
math.reduce_max reduce_max : Max input_tensor axis keepdims
math.reduce_min reduce_min : Min input_tensor axis keepdims
math.reduce_prod reduce_prod : Prod input_tensor axis keepdims
math.reduce_any reduce_any : Any input_tensor axis keepdims
math.reduce_all reduce_all : All input_tensor axis keepdims
math.reduce_variance : Var input_tensor axis keepdims
math.reduce_std : Std input_tensor axis keepdims
math.reduce_logsumexp reduce_logsumexp : Logsumexp input_tensor axis keepdims
math.argmax argmax : Argmax input axis
math.argmin argmin : Argmin input axis
math.top_k nn.top_k : TopK input k
math.cumsum cumsum : Cumsum x axis
math.l2_normalize nn.l2_normalize linalg.l2_normalize : Normalize x axis
linalg.matmul matmul : Matmul a b
tensordot : Tensordot a b axes
transpose : Transpose a perm=axes
squeeze : Squeeze input axis
expand_dims : ExpandDims input axis
stack : Stack values axis
unstack : Unstack value axis
split : Split value num_or_size_splits=indices_or_sections axis
tile : Tile input multiples=repeats
repeat : Repeat input repeats axis
reverse : Flip tensor axis
roll : Roll input shift axis
concat : Concatenate values axis
where : Where condition x y
gather : Take params indices axis
broadcast_to : BroadcastTo input shape
zeros_like : ZerosLike input
ones_like : OnesLike input
identity stop_gradient : StopGradient input
nn.space_to_depth : SpaceToDepth input block_size
nn.depth_to_space : DepthToSpace input block_size
"""

_CONFIG_ENTRIES = {
    "axis", "axes", "keepdims", "k", "approximate", "shape", "repeats", "shift", "block_size",
}  # fmt: skip
_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "Argmax": {"axis": 0},
    "Argmin": {"axis": 0},
    "Take": {"axis": 0},
    "Stack": {"axis": 0},
    "Cumsum": {"axis": 0},
    "Gelu": {"approximate": False},
    "TopK": {"k": 1},
}


def tf_function(c: Context, layer: KerasLayer, *args: object, **kwargs: object) -> Structure:
    """The function that the layer's config names."""
    name = str(layer.config.get("function")).removeprefix("compat.v1.")
    own = _OWN.get(name)
    if own is not None:
        return own(c, layer, *args, **{k: v for k, v in kwargs.items() if k != "name"})
    row = _ROWS.get(name)
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
    given.pop("name", None)
    tensors: list[object] = []
    config = dict(_DEFAULTS.get(operation, {}))
    for parameter, key in zip(parameters, names, strict=True):
        entry = parameter.split("=")[-1]
        value = given.pop(key, None)
        if "=" in parameter or entry in _CONFIG_ENTRIES:
            config |= {} if value is None else {entry: value}
        else:
            tensors.append(value)
    if given:
        raise Unsupported(f"its argument {', '.join(given)}; leave it out")
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
    "clip_by_value": _clip,
    "reshape": _reshape,
    "shape": _shape,
    "pad": _pad,
    "one_hot": _one_hot,
    "image.resize": _resize,
    "__operators__.getitem": slicing,
}
_ROWS: dict[str, tuple[str, list[str]]] = {}
for _line in _TABLE.strip().splitlines():
    _functions, _, _meaning = _line.partition(" : ")
    _operation, *_parameters = _meaning.split()
    _ROWS |= dict.fromkeys(_functions.split(), (_operation, _parameters))

HANDLERS: dict[str, Handler] = {"TFOpLambda": tf_function, "SlicingOpLambda": slicing}
