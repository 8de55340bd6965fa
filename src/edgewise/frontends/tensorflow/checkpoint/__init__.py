"""TensorFlow's checkpoints (`variables.index`, `variables.data-00000-of-00001`), verified."""

from edgewise.frontends.tensorflow.checkpoint.bundle import Bundle

__all__ = ["Bundle"]
