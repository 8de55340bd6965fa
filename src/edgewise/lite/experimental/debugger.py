"""`tf.lite.experimental.QuantizationDebugger`: the names; it needs a quantizer to work on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, NoReturn

import numpy as np

from edgewise.errors import ConversionError


@dataclass
class QuantizationDebugOptions:
    """What the debugger measures and leaves out."""

    layer_debug_metrics: Mapping[str, Callable[[np.ndarray], float]] | None = None
    model_debug_metrics: (
        Mapping[str, Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], float]] | None
    ) = None
    layer_direct_compare_metrics: (
        Mapping[str, Callable[[Sequence[np.ndarray], Sequence[np.ndarray], float, int], float]]
        | None
    ) = None
    denylisted_ops: list[str] | None = None
    denylisted_nodes: list[str] | None = None
    fully_quantize: bool = False


class QuantizationDebugger:
    """Raises ConversionError: this version cannot quantize, so there is nothing to debug."""

    def __init__(
        self,
        quant_debug_model_path: str | None = None,
        quant_debug_model_content: bytes | None = None,
        float_model_path: str | None = None,
        float_model_content: bytes | None = None,
        debug_dataset: Callable[[], Iterable[Sequence[np.ndarray]]] | None = None,
        debug_options: QuantizationDebugOptions | None = None,
        converter: object | None = None,
    ) -> None:
        _refuse()

    @property
    def options(self) -> QuantizationDebugOptions:
        """What the debugger measures."""
        _refuse()

    def get_debug_quantized_model(self) -> bytes:
        """The quantized model with operators that measure."""
        _refuse()

    def get_nondebug_quantized_model(self) -> bytes:
        """The quantized model."""
        _refuse()

    def layer_statistics_dump(self, file: IO[str]) -> None:
        """Write the statistics of every layer as CSV."""
        _refuse()

    def run(self) -> None:
        """Measure on the dataset."""
        _refuse()


def _refuse() -> NoReturn:
    raise ConversionError(
        "QuantizationDebugger: needs post-training quantization, which is not part of this "
        "version. Interpreter(experimental_preserve_all_tensors=True) gives every tensor of "
        "both models to compare"
    )
