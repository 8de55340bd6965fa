"""SavedModel folders: signatures, functions, variables with their values, tables."""

from edgewise.frontends.tensorflow.saved_model.reader import read_saved_model, signatures

__all__ = ["read_saved_model", "signatures"]
