"""TensorFlow without TensorFlow: SavedModels, frozen graphs and live functions as Models.

The readers (`saved_model/`, `frozen.py`, `concrete.py`) give one description, `program.Program`;
`lower.py` makes a model of it with the handlers of its operations.
"""

from edgewise.frontends.tensorflow.source import (
    is_frozen_graph,
    is_saved_model,
    is_tensorflow,
    read_functions,
    read_graph,
    read_saved,
)

__all__ = [
    "is_frozen_graph",
    "is_saved_model",
    "is_tensorflow",
    "read_functions",
    "read_graph",
    "read_saved",
]
