"""Edgewise: trained models, made small and fast, on phones, boards, microcontrollers, the web.

    import edgewise

    model = edgewise.convert("model.keras")
    model.save("model.tflite")
    outputs = edgewise.Interpreter("model.tflite")(image)
"""

from edgewise.api import Model, convert, load
from edgewise.runtime import Interpreter

__version__ = "0.1.0"
__all__ = ["Interpreter", "Model", "convert", "load"]
