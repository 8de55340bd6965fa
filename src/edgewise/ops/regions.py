"""StableHLO's operators that run one graph of several, or the one that they stand for:
STABLEHLO_CASE and STABLEHLO_COMPOSITE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Shape
from edgewise.ir.enums import CustomOptionsFormat
from edgewise.ir.graph import Graph
from edgewise.ir.op import In, Operand, Runner, require
from edgewise.ops.axes import shown
from edgewise.ops.control import Control, either, kinds, specialized


class StablehloCase(Control, builtin="STABLEHLO_CASE", options="StablehloCaseOptions"):
    """y.. = branches[index](x..); the last one where there is none of this number.

    Shapes: index int32 with one element, x any; y as the chosen graph gives it. A dimension in
    which the graphs differ is unknown until the model runs.
    **Source:** TensorFlow Lite kernels/stablehlo_case.cc.
    """

    branches: tuple[Graph, ...] = ()

    operands = (In("index", {DType.INT32}), In("x", optional=True, variadic=True))
    graph_fields = {"branches": "branch_subgraph_indices"}

    def infer(self, index: Operand, *x: Operand | None) -> tuple[Shape | None, ...]:
        require(
            not any(isinstance(d, int) and d != 1 for d in index.shape),
            f"the index must be one number; got {shown(index.shape)}",
        )
        require(bool(self.branches), "there must be a branch")
        fed = [v for v in x if v is not None]
        first, *others = (specialized(graph, fed).outputs for graph in self.branches)
        shapes = [v.type.shape for v in first]
        for other in others:
            require(
                [v.dtype for v in other] == [v.dtype for v in first],
                f"all branches must have results of the same dtypes; got {kinds(first)} "
                f"and {kinds(other)}",
            )
            shapes = [either(s, v.type.shape) for s, v in zip(shapes, other, strict=True)]
        return tuple(shapes)

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        index, *x = operands
        require(index.size == 1, f"the index must be one number; got {list(index.shape)}")
        number = int(index.reshape(-1)[0])
        inside = 0 <= number < len(self.branches)
        return tuple(runner(self.branches[number if inside else -1], x))

    def result_count(self) -> int:
        return len(self.branches[0].outputs) if self.branches else 0

    def result_dtype(self, index: int) -> DType | None:
        outputs = self.branches[0].outputs if self.branches else ()
        return outputs[index].dtype if index < len(outputs) else None


class StablehloComposite(
    Control, builtin="STABLEHLO_COMPOSITE", options="StableHLOCompositeOptions"
):
    """y.. = decomposition(x..): an operator with a name of its own, by what it stands for.

    Shapes: as the decomposition takes and gives them. Attributes are carried along; LiteRT 2.3 has
    kernels of its own for three names (odml.causal_conv_with_state_1d and two more), which compute
    what their decompositions say.
    **Source:** TensorFlow Lite kernels/stablehlo_composite.cc.
    """

    decomposition: Graph
    composite_name: str = ""
    composite_attributes: bytes = b""
    composite_attributes_format: CustomOptionsFormat = CustomOptionsFormat.FLEXBUFFERS
    composite_version: int = 0

    operands = (In("x", optional=True, variadic=True),)
    option_fields = {"composite_name": "name", "composite_version": "version"}
    graph_fields = {"decomposition": "decomposition_subgraph_index"}

    def infer(self, *x: Operand | None) -> tuple[Shape | None, ...]:
        fed = [v for v in x if v is not None]
        return tuple(v.type.shape for v in specialized(self.decomposition, fed).outputs)

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        return tuple(runner(self.decomposition, [x for x in operands if x is not None]))

    def result_count(self) -> int:
        return len(self.decomposition.outputs)

    def result_dtype(self, index: int) -> DType | None:
        outputs = self.decomposition.outputs
        return outputs[index].dtype if index < len(outputs) else None
