"""TensorFlow without TensorFlow: files and live functions -> `program.Program`."""

from edgewise.frontends.tensorflow.frozen import read_frozen
from edgewise.frontends.tensorflow.graph_def import program_of_graph_def
from edgewise.frontends.tensorflow.saved_model import read_saved_model

__all__ = ["program_of_graph_def", "read_frozen", "read_saved_model"]
