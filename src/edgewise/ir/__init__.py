"""What a model is: types, graphs, the operator base, builder, text form, verifier, evaluator."""

from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim, Shape, Sym
from edgewise.ir.graph import Graph, Location, Node, Source, Value
from edgewise.ir.model import Model, Signature
from edgewise.ir.op import Op
from edgewise.ir.types import Quant, TensorType
from edgewise.ir.verify import verify

__all__ = [
    "Builder",
    "Dim",
    "Graph",
    "Location",
    "Model",
    "Node",
    "Op",
    "Quant",
    "Shape",
    "Signature",
    "Source",
    "Sym",
    "TensorType",
    "Value",
    "verify",
]
