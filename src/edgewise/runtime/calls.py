"""What the functions of `runtime/select` return: kernel calls before memory is assigned."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import cast

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import TensorType
from edgewise.runtime.plan import Target
from edgewise.values import dataclass

Known = Callable[[Value], np.ndarray | None]  # a value's array, where it is known while planning

BYTES_8 = (DType.INT8, DType.UINT8)
BY_BF16 = "products of bf16"  # a `why` of float products
FLOAT_BOUNDS = {
    Activation.NONE: (-np.inf, np.inf),
    Activation.RELU: (0.0, np.inf),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
    Activation.RELU6: (0.0, 6.0),
}


class NotNative(Exception):
    """No kernel does this; the message says why, for the placement report."""


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A large constant that `fill` writes into its place in the plan: it is never twice in memory.
    Those of a call are filled in the order of its operands."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    fill: Callable[[np.ndarray], None]

    @property
    def size(self) -> int:
        """Elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes."""
        return self.size * self.dtype.itemsize


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """A call of lines of x alone: `of(x, y, window)` computes all of y, some lines of the result,
    from x, those under them. `window` has the fields of `ew_window` for the whole result, of which
    `h`, `oh` and `pad_top` differ there. Results are the same bits."""

    window: Mapping[str, int]
    of: Callable[[Value, Value, dict[str, int]], Call]


@dataclass(frozen=True, slots=True)
class Call:
    """A kernel call. Operands are values and packed constants, the results last (`results` of them,
    which is one where anything else here is said of the result).

    `tile_elements`: tile t writes exactly the elements [t * E, (t + 1) * E) of the result (the last
    one fewer); None where that is not so. `in_place`: operands whose memory the result may take
    over, as far as the kernel is concerned. `is_elementwise`: a tile reads, of the operands that
    have as many elements as the result, just the elements that it writes. `moves`: the call only
    copies (from, to, bytes) a run of bytes of operand 0 into the result. `lines`: how some lines of
    the result are computed alone, where they can be. `again`: the same elementwise call of other
    values, all of one shape, in tiles of so many elements, where all operands are such. `why`: what
    the placement report says of the choice, where there was one.
    """

    kernel: str
    params: bytes
    operands: tuple[Value | np.ndarray | Packed, ...]
    n_tiles: int
    scratch: int = 0
    tile_elements: int | None = None
    in_place: tuple[int, ...] = ()
    is_elementwise: bool = False
    moves: tuple[int, int, int] | None = None
    results: int = 1
    lines: Lines | None = None
    again: Callable[[Sequence[Value], Value, int], Call] | None = None
    why: str = ""

    @property
    def read(self) -> tuple[Value | np.ndarray | Packed, ...]:
        """The operands that are no results."""
        return self.operands[: len(self.operands) - self.results]

    @property
    def written(self) -> tuple[Value | np.ndarray | Packed, ...]:
        """The results."""
        return self.operands[len(self.operands) - self.results :]


@dataclass(frozen=True, slots=True)
class Alias:
    """The result is operand 0 under another shape: nothing to do."""


Selection = Sequence[Call] | Alias


@dataclass(frozen=True, slots=True)
class Site:
    """One node to be planned: its operands, results, and what is known of them.

    `tile_elements`: what an elementwise kernel must have for its `Call.tile_elements`, so that it
    runs tile by tile with the kernel before it.
    """

    node: Node
    target: Target
    known: Known
    tile_elements: int | None = None

    def constant(self, index: int, what: str) -> np.ndarray:
        """The array of operand `index`. Raises NotNative where it is computed while running."""
        array = self.known(self.node.operand(index))
        require(array is not None, f"{what} are computed while the model runs")
        assert array is not None
        return array

    def optional_constant(self, index: int, what: str) -> np.ndarray | None:
        """As `constant`; None where the operand is absent."""
        return None if self.node.optional(index) is None else self.constant(index, what)


def require(rule: bool, sentence: str) -> None:
    """Raise NotNative(sentence) unless the rule holds."""
    if not rule:
        raise NotNative(sentence)


def shape_of(value: Value) -> tuple[int, ...]:
    """The static shape. Raises NotNative for sizes beyond the kernels' 32-bit counts."""
    assert value.type.is_static  # `require_plannable` has looked
    shape = cast("tuple[int, ...]", value.shape)
    is_small = math.prod(shape) < 2**31 and max(shape, default=0) < 2**31
    require(is_small, "a tensor has 2**31 elements or more")
    return shape


def is_float(*values: Value) -> bool:
    """All are float32."""
    return all(v.dtype is DType.FLOAT32 for v in values)


def is_narrow(*values: Value) -> bool:
    """All are bfloat16."""
    return all(v.dtype is DType.BFLOAT16 for v in values)


def is_real(*values: Value) -> bool:
    """Each is float32 or bfloat16, which has float32's range."""
    return all(v.dtype in (DType.FLOAT32, DType.BFLOAT16) for v in values)


def is_8_bit(*values: Value) -> bool:
    """All are int8, or all uint8, each with one scale and a zero point that the type holds."""
    dtype = values[0].type.dtype
    if dtype not in BYTES_8:
        return False
    low, high = dtype.range
    for value in values:
        type_, quant = value.type, value.type.quant
        if type_.dtype is not dtype or quant is None or quant.scale.size != 1:
            return False
        if not low <= quant.zero_point.item() <= high:
            return False
    return True


def require_8_bit(*values: Value) -> None:
    """Raise NotNative unless `is_8_bit`."""
    if not is_8_bit(*values):
        names = ", ".join(dict.fromkeys(v.dtype.text for v in values))
        raise NotNative(f"no kernel for {names} (with these scales)")


def require_16_bit(*values: Value) -> None:
    """Raise NotNative unless all are int16 with one scale and the zero point 0."""
    for value in values:
        quant = value.quant
        require(value.dtype is DType.INT16, f"no kernel for int16 with {value.dtype.text}")
        require(
            quant is not None and quant.scale.size == 1 and zero_point(value.type) == 0,
            "int16 has a zero point, several scales, or none",
        )


def zero_point(type_: TensorType) -> int:
    """The only zero point."""
    assert type_.quant is not None
    return int(type_.quant.zero_point.item(0))


def scale(type_: TensorType) -> np.float32:
    """The only scale."""
    assert type_.quant is not None
    return np.float32(type_.quant.scale.flat[0])


def float_bounds(act: Activation) -> tuple[float, float]:
    """Bounds of a fused activation. Raises NotNative for TANH, which is none."""
    require(act in FLOAT_BOUNDS, f"the fused activation {act.name} has no kernel")
    low, high = FLOAT_BOUNDS[act]
    return float(low), float(high)
