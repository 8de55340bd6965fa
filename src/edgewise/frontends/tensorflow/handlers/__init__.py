"""TensorFlow operations as operators: one handler per operation, tables per family module.

Writing a handler:

    def bias_add(c: Context, node: TFNode, x: Value, bias: Value) -> Value:
        attrs.choice(node, "data_format", ("NHWC", "NCHW"))
        ...
        return c.b.add(x, bias)

    HANDLERS: dict[str, Handler] = {"BiasAdd": bias_add}

- Operands are the node's inputs, in order: `Value`s. A node with a list of inputs (`ConcatV2`,
  `Pack`) gives them one after the other: `def pack(c, node, *xs)`.
- It returns the Value, or a list with a Value per output of the operation. The list may be shorter
  than the operation has outputs: who reads one that is left out is told so.
- `c.b` is the builder: `b.OPERATOR(...)`. Nodes get the node's name as their location. `c.reshape`,
  `c.cast`, `c.transpose`, `c.ints`, `c.scalar`, ... are those of every frontend.
- Attributes are read with `attrs.py` (`integers`, `choice`, `dtype`, ...), which checks them.
- Operands that must be constants are `c.integers(x, "its axis")`, `c.integer`, `c.array`; they are
  found through what was computed from constants. `c.dims(x)` is a shape operand as integers and
  symbols, None where even those are unknown; `c.known(x)` the elements or None.
- Every dimension may be a symbol; a rank that is not known raises ShapeError when it is asked for,
  and the walk reports it. Floats of every width are computed as float32, complex ones as complex64:
  arguments, constants and `attrs.dtype` are so already.
- What cannot be converted is `raise Unsupported("reason; what to do")`: no node name, the walk adds
  it and goes on, so that all problems are reported at once.

Operations on what is no tensor stand in tables `OBJECTS`. Their handlers get operands as they are:
a `Variable` or `Table` of the program, or a `TensorList`; so do operations that call functions
(`c.call(name, operands)`). Handlers in `HANDLERS` never see those: the walk reads a variable that
stands for its value, and refuses the rest.
"""

from importlib import import_module
from pkgutil import iter_modules

from edgewise.frontends.tensorflow.context import Handler

HANDLERS: dict[str, Handler] = {}
OBJECTS: dict[str, Handler] = {}
COMPLEX: dict[str, Handler] = {}

for _module in iter_modules(__path__):
    _family = import_module(f"{__name__}.{_module.name}")
    HANDLERS.update(getattr(_family, "HANDLERS", {}))
    OBJECTS.update(getattr(_family, "OBJECTS", {}))
    COMPLEX.update(getattr(_family, "COMPLEX", {}))
