"""`tf.lite.experimental.Analyzer`: what is in a model, printed for people."""

from __future__ import annotations

import os
import sys

from edgewise.errors import InputError
from edgewise.format import load
from edgewise.ir.report import describe
from edgewise.lite.notice import ignored


class Analyzer:
    """Prints the structure of a `.tflite` file."""

    @staticmethod
    def analyze(
        model_path: str | os.PathLike[str] | None = None,
        model_content: bytes | None = None,
        gpu_compatibility: bool = False,
        **kwargs: object,
    ) -> None:
        """Write a report of every subgraph to standard output, as TensorFlow's does.

        Raises:
            ValueError: neither a path nor content, or not a model.
        """
        source = model_path if model_path is not None else model_content
        if source is None:
            raise InputError("`model_path` or `model_content` must be specified")
        if gpu_compatibility:
            ignored("gpu_compatibility", "Edgewise has no rule set of TensorFlow's GPU delegate")
        for unknown in kwargs:
            ignored(unknown, "the analyzer has no such option")
        for name, graph in load(source).graphs.items():
            sys.stdout.write(f"Subgraph {name}\n{describe(graph)}\n")
