"""Why a real model does not agree with its oracle: one sentence per file, and nothing else may."""

from __future__ import annotations

# Builtin operators outside the operators that this version runs, and every custom operator.
OUTSIDE = {
    "STABLEHLO_COMPOSITE": "composites",
}

# File name -> (verdict, cause).
CAUSES = {
    "java__src__testdata__string_scalar.bin": (
        "differ",
        "LiteRT's RESHAPE of a string scalar returns bytes of freed memory, others on every run",
    ),
    "testdata__add_shared_tensors.bin": (
        "refused",
        "its operator writes onto its input; LiteRT refuses it too, TFLM runs it unchecked",
    ),
}
