"""`tf.lite.experimental`: analyzer, debugger, resolver types, delegates, authoring."""

from edgewise.lite.experimental import authoring
from edgewise.lite.experimental.analyzer import Analyzer
from edgewise.lite.experimental.debugger import QuantizationDebugger, QuantizationDebugOptions
from edgewise.lite.interpreter import OpResolverType, load_delegate
from edgewise.lite.nearest import no_attribute

__all__ = [
    "Analyzer",
    "OpResolverType",
    "QuantizationDebugOptions",
    "QuantizationDebugger",
    "authoring",
    "load_delegate",
]


def __getattr__(name: str) -> object:
    raise no_attribute("edgewise.lite.experimental", name, __all__)


def __dir__() -> list[str]:
    return __all__
