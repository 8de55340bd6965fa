"""Primitives of JAX as operators: one handler per primitive, tables per family module.

Writing a handler:

    def _reverse(c: Context, node: Equation, x: Value) -> Value:
        return c.b.reverse_v2(x, c.ints(node.params["dimensions"]))

    HANDLERS: dict[str, Handler] = {"rev": _reverse}

- Operands are the equation's inputs, in order: `Value`s; a constant's elements are its `data`.
- It returns the Value, or a list with a Value per result; or a `Spread`, which is not written out.
- `node.shape` and `node.dtype` are those of the first result; sizes among `node.params` are JAX's,
  and `c.sizes.dims(...)` makes ours of them. Floats of every width are computed as float32.
- What cannot be converted is `raise Unsupported("reason; what to do")`: no name and no line, the
  walk adds them and goes on, so that all problems are reported at once.

Tables: `ELEMENTWISE` get operands with sizes of 1 where they repeat themselves, and the walk gives
their result the type of the equation's; `HANDLERS` get whole tensors; `COMPLEX` get `Parts` where
numbers are complex; `OBJECTS` get operands as they are.
"""

from importlib import import_module
from pkgutil import iter_modules

from edgewise.frontends.jax.context import Handler

ELEMENTWISE: dict[str, Handler] = {}
HANDLERS: dict[str, Handler] = {}
COMPLEX: dict[str, Handler] = {}
OBJECTS: dict[str, Handler] = {}

for _module in iter_modules(__path__):
    _family = import_module(f"{__name__}.{_module.name}")
    for _name in ("ELEMENTWISE", "HANDLERS", "COMPLEX", "OBJECTS"):
        globals()[_name].update(getattr(_family, _name, {}))
