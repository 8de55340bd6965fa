"""Run a graph on NumPy arrays with the operators' references: oracle, folder, first interpreter.

Long because what decides between an operator's floats and its integers stands beside what runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from edgewise.dtypes import QUANTIZED, DType
from edgewise.errors import EdgewiseError, QuantizationError, ShapeError
from edgewise.ir.dim import Dim, Shape, Sym, substitute
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import result_declaration
from edgewise.ir.op import ANY_AXIS, Arithmetic, Op, Quantized, Role, Runner
from edgewise.ir.resources import Resources
from edgewise.ir.types import TensorType
from edgewise.values import dataclass, field

State = dict[Value, np.ndarray]
BeforeNode = Callable[[Node, Sequence[np.ndarray | None]], None]  # with its operands

_STORED = QUANTIZED | {DType.INT4, DType.UINT4, DType.INT2}
_UNSCALED = (Role.PARAMETER, Role.BIAS)
# What NumPy raises where operands that only the run knows do not fit and no rule says so.
_UNFORESEEN = (ValueError, IndexError, TypeError, ArithmeticError)


def evaluate(
    graph: Graph,
    inputs: Sequence[np.ndarray],
    *,
    state: State | None = None,
    resources: Resources | None = None,
    keep: Callable[[Value, np.ndarray], None] | None = None,
    before_node: BeforeNode | None = None,
    before_iteration: Callable[[Node], None] | None = None,
) -> list[np.ndarray]:
    """The graph's outputs on `inputs` (in order; shapes may differ from the declared ones).

    `state` holds variable tensors between calls and is updated; one whose shape depends on that of
    the inputs starts anew where that changes. `resources` holds the variables and tables that
    operators name; None: there are none yet, and they are dropped after the run. `keep` is called
    with every value computed; arrays are otherwise dropped after their last reader. `before_node`
    is called before each node (progress, cancellation, limits), those of loops and branches
    included; `before_iteration` with the loop's node before each of its iterations.

    Raises:
        ShapeError: arrays an operator does not accept, naming the node.
        MemoryError: results too big for the machine, naming the node.
    """
    if len(inputs) != len(graph.inputs):
        raise ShapeError(f"the graph takes {len(graph.inputs)} inputs; got {len(inputs)}")
    state = {} if state is None else state
    resources = Resources() if resources is None else resources
    live = begin(graph, inputs, state)
    sizes = bound_sizes(graph.inputs, inputs)
    last = last_uses(graph)
    for node in graph.nodes:
        operands = [None if v is None else _read(v, live, state, sizes) for v in node.inputs]
        if before_node is not None:
            before_node(node, operands)
        runner = BodyRunner(node, before_node, before_iteration, resources)
        results = evaluate_node(node, operands, runner)
        count = len(node.outputs)
        for value, array in zip(node.outputs, results[:count], strict=True):
            live[value] = array
            if keep is not None:
                keep(value, array)
        for value, array in zip(updated(node), results[count:], strict=True):
            state[value] = array
        for value in last.get(node, ()):
            live.pop(value, None)
    return [_read(value, live, state, sizes) for value in graph.outputs]


def begin(
    graph: Graph, inputs: Sequence[np.ndarray], state: State, origins: Mapping[Value, Value] = {}
) -> dict[Value, np.ndarray]:
    """The arrays of the inputs. One that is also a variable starts each run with what is given and
    is read from `state`, where operators write it (under its origin)."""
    live = dict(zip(graph.inputs, inputs, strict=True))
    for value in list(live):  # an input may be listed twice
        if value.is_variable:
            state[origins.get(value, value)] = live.pop(value).copy()
    return live


@dataclass(frozen=True, slots=True)
class BodyRunner:
    """Runs the graphs of a node's operator with `evaluate`, which tells what the functions are."""

    node: Node
    before_node: BeforeNode | None = None
    before_iteration: Callable[[Node], None] | None = None
    resources: Resources = field(default_factory=Resources)

    def __call__(self, graph: Graph, inputs: Sequence[np.ndarray], /) -> list[np.ndarray]:
        return evaluate(
            graph,
            inputs,
            resources=self.resources,
            before_node=self.before_node,
            before_iteration=self.before_iteration,
        )

    def begin_iteration(self) -> None:
        """A loop goes on; raises where it must not."""
        if self.before_iteration is not None:
            self.before_iteration(self.node)


def evaluate_node(
    node: Node, operands: Sequence[np.ndarray | None], runner: Runner | None = None
) -> list[np.ndarray]:
    """`evaluate_op` on the operator of a node, whose errors name the node. `runner` runs the
    operator's graphs and has the resources.

    Raises:
        EdgewiseError: of any kind: operands that the operator does not accept.
    """
    types = [None if v is None else v.type for v in node.inputs]
    try:
        if node.op.graph_fields or node.op.is_stateful:
            return _checked(node, node.op.run(operands, runner or BodyRunner(node)))
        return evaluate_op(node.op, operands, types, [v.type for v in node.outputs])
    except EdgewiseError as error:
        raise type(error)(f"{node}: {error}") from None
    except _UNFORESEEN as error:
        raise ShapeError(
            f"{node} must accept its operands {_shown(operands)}; "
            f"got {type(error).__name__}: {error}"
        ) from error
    except MemoryError as error:
        raise MemoryError(f"{node}: {str(error) or 'not enough memory'}") from error


def _checked(node: Node, results: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The results, which have the dtypes that are declared."""
    for value, array in zip(node.outputs, results, strict=False):
        if array.dtype != value.dtype.numpy:
            raise ShapeError(f"{value.name!r} is declared {value.dtype.text}; got {array.dtype}")
    return list(results)


def evaluate_op(
    op: Op,
    operands: Sequence[np.ndarray | None],
    types: Sequence[TensorType | None],
    results: Sequence[TensorType],
) -> list[np.ndarray]:
    """One operator. Integer tensors with a scale go through `integer`; float operators with
    quantized operands (hybrid) see those dequantized; the rest is `reference`.

    Raises:
        QuantizationError: an integer operand or result without the scales the operator needs.
    """
    op = _as_declared(op, results)
    if not _takes_integers(op, types, results):
        arrays = [
            _float_operand(op, i, a, t)
            for i, (a, t) in enumerate(zip(operands, types, strict=True))
        ]
        out = op.reference(*arrays, *[None] * (len(op.operands) - len(arrays)))
    else:
        _check_scales(op, types, results)
        quantized = [
            None if a is None or t is None else Quantized(a, t.quant)
            for a, t in zip(operands, types, strict=True)
        ]
        out = op.integer(quantized + [None] * (len(op.operands) - len(quantized)), results)
    arrays_out = list(out) if isinstance(out, tuple) else [out]
    return [
        _cast(a, results[i].dtype if i < len(results) else None) for i, a in enumerate(arrays_out)
    ]


def _as_declared(op: Op, results: Sequence[TensorType]) -> Op:
    """Where a result's dtype is an attribute's but may be declared another, the declared one: what
    is computed saturates to it."""
    for declaration, type_ in zip(op.results, results, strict=False):
        attr = declaration.attr
        if attr is not None and declaration.free and getattr(op, attr) is not type_.dtype:
            return op.replace(**{attr: type_.dtype})
    return op


def require_scales(node: Node) -> None:
    """What a kernel may rely on as `integer` does. Raises QuantizationError as `evaluate_op`."""
    types = [None if v is None else v.type for v in node.inputs]
    results = [v.type for v in node.outputs]
    if _takes_integers(node.op, types, results):
        try:
            _check_scales(node.op, types, results)
        except QuantizationError as error:
            raise QuantizationError(f"{node}: {error}") from None


def last_uses(graph: Graph) -> Mapping[Node, list[Value]]:
    """For each node, the values that nobody reads after it."""
    order: dict[Value, Node] = {}
    for node in graph.nodes:
        for value in (*node.inputs, *node.outputs):
            if value is not None:
                order[value] = node
    kept = set(graph.outputs)
    dead: dict[Node, list[Value]] = {}
    for value, node in order.items():
        if value not in kept:
            dead.setdefault(node, []).append(value)
    return dead


def _takes_integers(
    op: Op, types: Sequence[TensorType | None], results: Sequence[TensorType]
) -> bool:
    """`integer` computes it, not `reference`."""
    if op.needs_types:
        return True
    for t in (*types, *results):
        if t is not None and t.quant is not None and t.dtype.is_integer:
            return _is_integer(op, types, results)
    return False


def _is_integer(op: Op, types: Sequence[TensorType | None], results: Sequence[TensorType]) -> bool:
    """The data is quantized and the operator interprets the integers."""
    data = _data(op, types)
    # The scale of wide integers counts only on the way from or to floats (DEQUANTIZE); elsewhere
    # converters leave one behind, and LiteRT does not look at it.
    to_float = any(t.dtype.is_float != data.dtype.is_float for t in results) if data else False
    if data is None and results and results[0].dtype in _STORED:
        return op.arithmetic_for(results[0].dtype) is not Arithmetic.NONE  # rows of a table
    for t in (data, *results):
        if t is not None and t.is_quantized and (to_float or t.dtype in _STORED):
            return op.arithmetic_for(t.dtype) is not Arithmetic.NONE
    return False


def _check_scales(
    op: Op, types: Sequence[TensorType | None], results: Sequence[TensorType]
) -> None:
    """What `integer` relies on: where the data has a scale, so has everything that is counted with
    it. Raises QuantizationError."""
    if not op.needs_scales:
        return
    data = _data(op, types)
    for index, type_ in enumerate(types):
        declared = op.declared(index)
        if type_ is None or type_.dtype is DType.BOOL or declared.role in _UNSCALED:
            continue
        quant, axis = type_.quant, declared.channel_axis
        if type_.dtype not in _STORED and (data is None or not data.is_quantized):
            continue  # floats on their way to integers
        if not type_.is_quantized or quant is None:
            raise QuantizationError(
                f"operand {declared.name!r} must have a scale, as the data has; "
                f"it is {type_.dtype.text} without one"
            )
        if declared.role is Role.WEIGHT and quant.block_size is not None:
            raise QuantizationError(
                f"operand {declared.name!r} must not be quantized per block with integer data"
            )
        if quant.per_channel and axis not in (ANY_AXIS, quant.axis):
            rule = "must have one scale" if axis is None else f"must be quantized along axis {axis}"
            raise QuantizationError(
                f"operand {declared.name!r} {rule}; it has {quant.scale.size} along {quant.axis}"
            )
    for index, type_ in enumerate(results):
        declaration = result_declaration(op, index)
        derived = declaration.dtype is None and declaration.attr is None
        if not type_.is_quantized and (derived or type_.dtype in _STORED):
            raise QuantizationError(
                "the result must have a scale, as the data has; "
                f"it is {type_.dtype.text} without one"
            )


def _data(op: Op, types: Sequence[TensorType | None]) -> TensorType | None:
    """The type of the first operand that is data."""
    for index, type_ in enumerate(types):
        if type_ is not None and op.declared(index).role is Role.DATA:
            return type_
    return None


def _float_operand(
    op: Op, index: int, array: np.ndarray | None, type_: TensorType | None
) -> np.ndarray | None:
    """Weights of a hybrid operator, dequantized; anything else as it is."""
    if array is None or type_ is None or not type_.is_quantized:
        return array
    arithmetic = op.arithmetic_for(type_.dtype)
    if arithmetic is Arithmetic.NONE or result_declaration(op, 0).like is None:
        return array
    role = op.declared(index).role
    if role is Role.BIAS or (role in (Role.WEIGHT, Role.DATA) and type_.dtype in _STORED):
        assert type_.quant is not None
        return type_.quant.dequantize(array)
    return array


def bound_sizes(values: Sequence[Value], arrays: Sequence[np.ndarray]) -> dict[Sym, Dim]:
    """What the unknown dimensions of `values` are, where they stand alone, given their arrays."""
    pairs = (
        pair
        for value, array in zip(values, arrays, strict=True)
        for pair in zip(value.type.shape or (), array.shape, strict=False)
    )
    return {dim: size for dim, size in pairs if isinstance(dim, Sym)}


def _read(
    value: Value,
    live: Mapping[Value, np.ndarray],
    state: State,
    sizes: Mapping[Sym, Dim],
) -> np.ndarray:
    if value.data is not None:
        return value.data
    if value.is_variable and value.producer is None and value not in live:
        shape = tuple(substitute(dim, sizes) for dim in value.shape)
        if not all(isinstance(dim, int) for dim in shape):
            raise ShapeError(f"variable {value.name!r} must have a known shape")
        return variable(value, shape, state)
    return live[value]


def _shown(operands: Sequence[np.ndarray | None]) -> str:
    return ", ".join("none" if a is None else f"{a.dtype}{list(a.shape)}" for a in operands)


def variable(value: Value, shape: Shape, state: State) -> np.ndarray:
    """What a variable holds; at first, and after a change of shape, zero (or its zero point)."""
    if value not in state or state[value].shape != shape:
        zero = 0 if value.quant is None else value.quant.zero_point.flat[0]
        state[value] = np.full(shape, zero, value.dtype.numpy)  # type: ignore[arg-type]
    return state[value]


def updated(node: Node) -> Iterator[Value]:
    """The variables whose new values follow the results of `node`."""
    for name in node.op.updates:
        for declaration, value in zip(node.op.operands, node.inputs, strict=False):
            if declaration.name == name and value is not None:
                yield value


def _cast(array: np.ndarray, dtype: object) -> np.ndarray:
    array = np.asarray(array)
    if dtype is None:
        return array
    wanted = dtype.numpy  # type: ignore[attr-defined]
    return array if array.dtype == wanted else array.astype(wanted)
