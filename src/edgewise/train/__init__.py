"""Models that learn: an Edgewise Model as a Keras 3 model and back, and training on top of that.

Keras is imported when something here needs it (`pip install 'edgewise[train]'`); it runs on JAX,
or on what `KERAS_BACKEND` names.
"""

from edgewise.train.bridge import from_keras, to_keras

__all__ = ["from_keras", "to_keras"]
