"""Functions of JAX as operators: JAX traces them, a table of handlers writes what it found.

`tracing.traced` gives the program of a function of arrays (a jaxpr) for shapes with unknown sizes,
which JAX computes with as symbols; `walk.write` writes it into a graph with the handlers of its
primitives. Keras is not known here. JAX is the user's, and imported when something is traced.
"""

from edgewise.ir.model import Model


def is_jitted(source: object) -> bool:
    """A function that `jax.jit` made."""
    return type(source).__module__.split(".")[0] in ("jax", "jaxlib") and hasattr(source, "lower")


def read_jitted(source: object, *, inputs: object = None) -> Model:
    """A jitted function as a Model. Raises as `source.read_function`."""
    from edgewise.frontends.jax.source import read_function

    return read_function(source, inputs)
