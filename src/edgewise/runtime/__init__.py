"""Graph -> outputs: the interpreter and what executes a graph."""

from edgewise.runtime.interpreter import Interpreter
from edgewise.runtime.limits import Limits

__all__ = ["Interpreter", "Limits"]
