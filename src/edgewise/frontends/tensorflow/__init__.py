"""TensorFlow programs without TensorFlow: SavedModels and frozen graphs as one description.

The readers give a `program.Program`; the lowering makes operators of it with the handlers of its
operations.
"""
