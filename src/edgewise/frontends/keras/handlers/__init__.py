"""Keras layers as operators: one handler per class, a table `HANDLERS` per family module.

Writing a handler:

    def dense(c: Context, layer: KerasLayer, x: Value) -> Value:
        w = c.constant(layer, "kernel", c.weight(layer, "kernel").T)
        return c.activate(layer, c.b.fully_connected(x, w, c.bias(layer), keep_num_dims=True))

    HANDLERS: dict[str, Handler] = {"Dense": dense}

- Arguments are those of the layer's `call`, tensors being `Value`s in whatever nesting the model
  has (`xs: list[Value]` for a merging layer). `training` and arguments that are None are left out;
  parameters a handler does not declare are refused for it.
- It returns a Value, or the list, tuple or dict of Values that the layer returns.
- `c.b` is the builder: `b.OPERATOR(...)`. Nodes get the layer's path as their location.
- The config is read with `config.py` (`integer`, `flag`, `sizes`, ...), which checks it.
- Weights are `c.weight(layer, name)`, float32. `c.constant(layer, name, array)` makes the Value,
  the same one for every call of the layer.
- What cannot be converted is `raise Unsupported("reason; what to do")`: no layer name, the walk
  adds it and goes on, so that all problems are reported at once.
- `c.apply(child, x)` calls a wrapped layer or model. `c.mask(x)` is the implicit mask of a tensor
  (bool), None without; `c.set_mask(y, mask)` gives it one. Layers of `lower.KEEPS_MASK` hand on
  the mask of their first argument by themselves.
- Every dimension may be a symbol. `c.reshape(x, shape)` takes any shape, `c.shape(dims)` makes a
  shape operand.

`keras.ops` nodes have tables `OPERATIONS` of the same kind: arguments are those of the call, what
the operation itself was made with (`axis`) is in `layer.config`. Nodes of Keras 2 are layers of the
classes `TFOpLambda` and `SlicingOpLambda`.
"""

from importlib import import_module
from pkgutil import iter_modules

from edgewise.frontends.context import Handler

HANDLERS: dict[str, Handler] = {}
OPERATIONS: dict[str, Handler] = {}

for _module in iter_modules(__path__):
    _family = import_module(f"{__name__}.{_module.name}")
    HANDLERS.update(getattr(_family, "HANDLERS", {}))
    OPERATIONS.update(getattr(_family, "OPERATIONS", {}))
