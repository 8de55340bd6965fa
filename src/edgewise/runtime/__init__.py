"""Graph -> outputs: the interpreter and what executes a graph."""

from edgewise.runtime.interpreter import Interpreter

__all__ = ["Interpreter"]
