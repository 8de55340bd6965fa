"""Builder: a graph from calls that read like the operators.

    b = Builder("main")
    x = b.input("image", (1, 224, 224, 3))
    y = b.conv_2d(x, b.constant(w), b.constant(bias), padding=Padding.SAME, stride_w=2, stride_h=2)
    graph = b.finish(b.softmax(y))

There is one method per operator, derived from the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError
from edgewise.ir.dim import Dim
from edgewise.ir.graph import Graph, Location, Node, Value
from edgewise.ir.infer import result_types
from edgewise.ir.op import Op, operator
from edgewise.ir.types import Quant, TensorType


class Builder:
    """Appends nodes to a graph (or inserts them before a node of an existing one).

    `location` is what new nodes are said to come from; frontends set it per layer.
    """

    def __init__(self, graph: Graph | str = "main", before: Node | None = None) -> None:
        self.graph = Graph(graph) if isinstance(graph, str) else graph
        self.before = before
        self.location: Location | None = before.location if before is not None else None

    def input(
        self,
        name: str,
        shape: Sequence[Dim],
        dtype: DType = DType.FLOAT32,
        quant: Quant | None = None,
    ) -> Value:
        """Add a graph input."""
        return self.graph.add_input(TensorType(tuple(shape), dtype, quant), name)

    def constant(
        self,
        array: np.typing.ArrayLike,
        dtype: DType | None = None,
        name: str = "",
        quant: Quant | None = None,
    ) -> Value:
        """A constant; `dtype` converts, by default Python floats become float32, ints int32.

        Raises:
            OverflowError: an int beyond int32.
        """
        data = np.asarray(array)
        if dtype is not None:
            data = data.astype(dtype.numpy)
        elif not isinstance(array, np.ndarray | np.generic):
            into = {"f": np.float32, "i": np.int32, "u": np.int32, "O": np.int32}
            data = np.asarray(array, into.get(data.dtype.kind, data.dtype))
        return Value(TensorType.of(data, quant), name, data)

    def node(
        self,
        op: Op,
        *operands: Value | None,
        results: Sequence[TensorType | None] = (),
        names: Sequence[str] = (),
    ) -> Node:
        """Add a node; `results` declares what inference cannot know (quantization, free dtypes).

        Raises:
            ShapeError: the operands do not fit; the message names the operator and layer.
        """
        inputs = list(operands)
        while inputs and inputs[-1] is None and op.declared(len(inputs) - 1).optional:
            inputs.pop()
        try:
            types = result_types(op, inputs, results)
        except EdgewiseError as error:
            where = self.location or Location(names[0] if names else "")
            raise type(error)(f"{where.named(op.name)}: {error}") from None
        values = [Value(t, names[i] if i < len(names) else "") for i, t in enumerate(types)]
        return self.graph.insert(op, inputs, values, before=self.before, location=self.location)

    def finish(self, *outputs: Value) -> Graph:
        """Set the graph's outputs, name what has no name, return the graph."""
        self.graph.set_outputs(outputs)
        name_values(self.graph)
        return self.graph

    def __getattr__(self, name: str) -> Callable[..., Value]:
        """`b.OPERATOR(*operands, dtype=, quant=, label=, **attributes)`: its first result.

        `dtype` and `quant` declare the result; use `node` for operators with several results.
        """
        if name.startswith("_") or name not in Op.registry:
            raise AttributeError(f"no operator is named {name!r}")
        cls = operator(name)

        def call(
            *operands: Value | None,
            dtype: DType | None = None,
            quant: Quant | None = None,
            label: str = "",
            **attributes: object,
        ) -> Value:
            op = cls(**attributes)
            declared = []
            if dtype is not None or quant is not None:
                first = next(o for o in operands if o is not None)
                declared = [TensorType(None, dtype or first.dtype, quant)]
            node = self.node(op, *operands, results=declared, names=[label] if label else ())
            return node.output

        return call


def name_values(graph: Graph) -> None:
    """Give every value a name that is unique in the graph; names already unique stay."""
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for value in graph.values():
        producer = value.producer
        stem = value.name
        if not stem and producer is not None:
            stem = producer.location.layer if producer.location else producer.op.name
        name = stem = stem or "constant"
        while name in taken:
            counts[stem] = counts.get(stem, 0) + 1
            name = f"{stem}_{counts[stem]}"
        taken.add(name)
        value.name = name
