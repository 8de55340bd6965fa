"""PyTorch operations as operators: one handler per operation, tables per family module.

Writing a handler:

    def transpose(c: Context, x: Value, dim0: int, dim1: int) -> Value:
        ...
        return c.transpose(x, perm)

    HANDLERS: dict[str, Handler] = {"transpose": transpose}

- It has the signature of the operation (`native_functions.yaml`): names of what may be left out or
  given by name are PyTorch's. Where and how memory lies (`device`, `layout`, `memory_format`)
  need not be taken.
- Tensors are `Value`s, sizes are ints or symbols (`Dim`), which Python's operators compute with,
  lists are lists, element types `DType`. Operands that may be numbers are `c.operand(x, dtype)` or
  `c.promoted(x, y)`.
- The key is the operation, or one overload where the others mean something else (`max.dim`).
- It returns what the operation returns; several results as a list.
- Tensors lie as PyTorch has them: `[N, C, H, W]`; `c.on_channels_last` turns them for operators.
- What cannot be converted is `raise Unsupported("reason; what to do")`: no name of the node, the
  walk adds it and goes on, so that all problems are reported at once.
- Nothing is to be done for constants: what takes constants only is computed at once.
"""

from importlib import import_module
from pkgutil import iter_modules

from edgewise.frontends.torch.context import Handler

HANDLERS: dict[str, Handler] = {}

for _module in iter_modules(__path__):
    HANDLERS.update(getattr(import_module(f"{__name__}.{_module.name}"), "HANDLERS", {}))
