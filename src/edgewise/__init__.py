"""Edgewise: trained models, made small and fast, on phones, boards, microcontrollers, the web.

import edgewise

model = edgewise.convert("model.keras")
model.save("model.tflite")
outputs = edgewise.Interpreter("model.tflite")(image)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgewise.api import Model, convert, export_c, load
    from edgewise.custom import get_include, load_op_library, register_op
    from edgewise.data import open_data
    from edgewise.optimize import Ranges, Recipe, Scope, calibrate, quantize
    from edgewise.optimize.autopilot import autopilot
    from edgewise.optimize.compare import compare
    from edgewise.optimize.evaluate import evaluate
    from edgewise.runtime import Interpreter, Limits
    from edgewise.runtime.tune import tune

__version__ = "0.1.0"
_HOMES = {
    "Interpreter": "runtime",
    "Limits": "runtime",
    "Model": "api",
    "Ranges": "optimize",
    "Recipe": "optimize",
    "Scope": "optimize",
    "autopilot": "optimize.autopilot",
    "calibrate": "optimize",
    "compare": "optimize.compare",
    "convert": "api",
    "evaluate": "optimize.evaluate",
    "export_c": "api",
    "get_include": "custom",
    "load": "api",
    "load_op_library": "custom",
    "open_data": "data",
    "quantize": "optimize",
    "register_op": "custom",
    "tune": "runtime.tune",
}
__all__ = [
    "Interpreter",
    "Limits",
    "Model",
    "Ranges",
    "Recipe",
    "Scope",
    "autopilot",
    "calibrate",
    "compare",
    "convert",
    "evaluate",
    "export_c",
    "get_include",
    "load",
    "load_op_library",
    "open_data",
    "quantize",
    "register_op",
    "tune",
]


def __getattr__(name: str) -> object:
    """Public names, imported when first asked for: `edgewise --help` needs neither NumPy nor any
    operator."""
    if name in ("data", "errors", "lite", "metadata", "tasks"):
        return import_module(f"edgewise.{name}")
    if name not in __all__:
        raise AttributeError(f"edgewise has no attribute {name!r}; it has {', '.join(__all__)}")
    import_module("edgewise.api")  # always: it teaches Model to save itself
    home = import_module(f"edgewise.{_HOMES[name]}")
    globals()[name] = getattr(home, name)
    return globals()[name]


def __dir__() -> list[str]:
    return [*__all__, "__version__", "data", "errors", "lite", "metadata", "tasks"]
