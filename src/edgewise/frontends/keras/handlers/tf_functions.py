"""TensorFlow functions by name, and the `keras.ops` operations that mean the same.

Source: signatures of TensorFlow 2.15.
"""

from __future__ import annotations

from collections.abc import Mapping

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
math.top_k nn.top_k : TopK input k
math.cumsum cumsum : Cumsum x axis
math.l2_normalize nn.l2_normalize linalg.l2_normalize : Normalize x axis
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


CONFIG_ENTRIES = {
    "axis", "axes", "keepdims", "k", "approximate", "shape", "repeats", "shift", "block_size",
}  # fmt: skip


# arguments that change nothing with these values, which files spell out
IDLE: Mapping[str, object] = {
    "conjugate": False,
    "batch_dims": 0,
    "exclusive": False,
    "reverse": False,
    "sorted": True,
    "epsilon": 1e-12,
    "data_format": "NHWC",
    "num": None,
}


DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "Take": {"axis": 0},
    "Stack": {"axis": 0},
    "Cumsum": {"axis": 0},
    "Gelu": {"approximate": False},
    "TopK": {"k": 1},
}


ROWS: dict[str, tuple[str, list[str]]] = {}
for _line in _TABLE.strip().splitlines():
    _functions, _, _meaning = _line.partition(" : ")
    _operation, *_parameters = _meaning.split()
    ROWS |= dict.fromkeys(_functions.split(), (_operation, _parameters))
