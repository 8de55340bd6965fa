"""Recipes: what each operator of a model is to become, as a value.

A scheme is one way to store numbers; its name parses as `MODE_wWEIGHTS_aACTIVATIONS`::

    float32                 as it is
    float16                 weights in half precision, computed in float32
    weight_only_wi8_afp32   weights int8, made float32 again before the operator
    dynamic_wi8_afp32       weights int8, the operator quantizes its data while it runs
    static_wi8_ai8          weights int8, data int8 with scales from calibration
    static_wi8_au8          all uint8, one scale per tensor: what old accelerators take
    static_wi8_ai16         weights int8, data int16
    dynamic_wi4b32_afp32    weights int4 with a scale per 32 of them

Weights may be `wi8`, `wi4` or `wi2`, with `b32` to `b256` for blocks where data is float.
A recipe is a scheme for all operators and scopes for some, of which the last that matches counts::

    Recipe("static_wi8_ai8", [Scope("float32", layer="head/.*"), Scope("static_wi8_ai16", "ADD")])

`techniques` are what is done so that it loses less, to the float model before (`techniques.py`) and
to the quantized one behind (`biases.py`); where a recipe leaves them open, `quantize` does what its
samples allow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import Enum

from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir.graph import Node
from edgewise.values import dataclass, replace

BLOCKS = (32, 64, 128, 256)
_NAME = re.compile(r"(static|dynamic|weight_only)_wi(8|4|2)(?:b(\d+))?(?:_a(fp32|i8|u8|i16))?")
_WEIGHTS = {"8": DType.INT8, "4": DType.INT4, "2": DType.INT2}
_DATA = {"i8": DType.INT8, "u8": DType.UINT8, "i16": DType.INT16, "fp32": DType.FLOAT32}
_FLAGS = re.ASCII


class Mode(Enum):
    """How an operator computes on what is stored."""

    FLOAT = "in float32, as it is"
    FLOAT16 = "in float32, on weights stored as float16"
    WEIGHT_ONLY = "in float32, on weights that are made float32 first"
    DYNAMIC = "on weights as they are stored, with data that it quantizes itself"
    STATIC = "on integers, with scales that calibration found"


class Technique(Enum):
    """What keeps accuracy: functions of `optimize`, in the order in which they follow each other.
    The value is the function's name."""

    CROSS_LAYER = "cross_layer"
    ACTIVATIONS = "activations"
    WIDEN = "widen"
    FINER_STEPS = "finer_steps"
    SHIFT_CHANNELS = "shift_channels"
    COMPENSATE = "compensate"
    CORRECT_BIASES = "correct_biases"


# what `quantize` does by itself where there are samples: with int8 data, and with integers at all
FINER = (Technique.FINER_STEPS, Technique.SHIFT_CHANNELS)
ROUNDING = (Technique.COMPENSATE, Technique.CORRECT_BIASES)


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to store an operator's numbers. `block`: weights under one scale, 0: a channel."""

    mode: Mode
    weight: DType = DType.FLOAT32
    data: DType = DType.FLOAT32
    block: int = 0

    @classmethod
    def parse(cls, name: str) -> Scheme:
        """The scheme of a name. Raises QuantizationError, with the names there are."""
        if name == "float32":
            return cls(Mode.FLOAT)
        if name == "float16":
            return cls(Mode.FLOAT16, DType.FLOAT16)
        found = _NAME.fullmatch(name)
        scheme = None if found is None else _scheme(*found.groups())
        if scheme is None:
            raise QuantizationError(
                f"recipe {name!r}: a scheme is float32, float16, weight_only_wW_afp32, "
                "dynamic_wW_afp32 with W one of i8, i4, i2 and perhaps a block (i4b32, b64, b128, "
                "b256), or static_wi8_ai8, static_wi8_au8, static_wi8_ai16, static_wi4_ai8, "
                "static_wi2_ai8"
            )
        return scheme

    @property
    def name(self) -> str:
        """The name that `parse` reads."""
        if self.mode in (Mode.FLOAT, Mode.FLOAT16):
            return "float32" if self.mode is Mode.FLOAT else "float16"
        bits = next(bits for bits, dtype in _WEIGHTS.items() if dtype is self.weight)
        data = next(text for text, dtype in _DATA.items() if dtype is self.data)
        return f"{self.mode.name.lower()}_wi{bits}{f'b{self.block}' * (self.block > 0)}_a{data}"

    def __str__(self) -> str:
        return self.name


def _scheme(mode: str, bits: str, block: str | None, data: str | None) -> Scheme | None:
    """The scheme of the parts of a name; None where there is none."""
    is_static = mode == "static"
    if (data or "fp32") == "fp32" if is_static else data not in (None, "fp32"):
        return None
    size = int(block or 0)
    if block is not None and (is_static or size not in BLOCKS):
        return None
    if is_static and bits != "8" and data != "i8":
        return None
    return Scheme(Mode[mode.upper()], _WEIGHTS[bits], _DATA[data or "fp32"], size)


@dataclass(frozen=True, slots=True)
class Scope:
    """A scheme for some operators: those of a type (`"CONV_2D"`), those whose layer or result is
    named by a regular expression (searched for anywhere in the name), or those that are both."""

    scheme: str
    operator: str | None = None
    layer: str | None = None

    def __post_init__(self) -> None:
        """Raises QuantizationError: a scheme or an expression that cannot be read."""
        Scheme.parse(self.scheme)
        try:
            re.compile(self.layer or "", _FLAGS)
        except re.error as error:
            raise QuantizationError(f"recipe: layer {self.layer!r}: {error}") from error

    def matches(self, node: Node) -> bool:
        """Whether this scope is about the node."""
        if self.operator is not None and self.operator.lower() != node.op.name:
            return False
        return self.layer is None or any(
            re.search(self.layer, name, _FLAGS) for name in names_of(node)
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """What all operators become, what some become instead, and what is left as too small.

    `min_elements`: float operators' weights with fewer elements stay as they are. `techniques`, by
    name or member; an empty tuple: none; None: where there are samples `compensate`, with a static
    scheme `correct_biases`, and with one of int8 data `finer_steps` and `shift_channels`.
    """

    scheme: str
    scopes: tuple[Scope, ...] = ()
    min_elements: int = 0
    techniques: tuple[Technique, ...] | None = None

    def __post_init__(self) -> None:
        """Raises QuantizationError: a scheme or a technique that is not known."""
        Scheme.parse(self.scheme)
        object.__setattr__(self, "scopes", tuple(self.scopes))
        if self.techniques is not None:
            asked = {technique_named(name) for name in self.techniques}
            object.__setattr__(self, "techniques", tuple(t for t in Technique if t in asked))

    def scheme_of(self, node: Node) -> Scheme:
        """What the node is to become."""
        names = [self.scheme, *(s.scheme for s in self.scopes if s.matches(node))]
        return Scheme.parse(names[-1])

    def names(self, node: Node) -> bool:
        """Some scope is about the node: it is to become that and nothing else."""
        return any(scope.matches(node) for scope in self.scopes)

    @property
    def is_static(self) -> bool:
        """Some operators may need ranges."""
        return any(scheme.mode is Mode.STATIC for scheme in self._schemes())

    def _schemes(self) -> list[Scheme]:
        return [Scheme.parse(name) for name in (self.scheme, *(s.scheme for s in self.scopes))]

    def keeping_float(self, layers: Iterable[str]) -> Recipe:
        """The same, but layers named by one of these regular expressions stay float32."""
        more = tuple(Scope("float32", layer=layer) for layer in layers)
        return replace(self, scopes=(*self.scopes, *more))

    def with_techniques(self, names: Iterable[str | Technique]) -> Recipe:
        """The same, with these techniques, too, and no others."""
        known = self.techniques or ()
        return replace(self, techniques=(*known, *map(technique_named, names)))

    def techniques_for(self, *, has_samples: bool) -> tuple[Technique, ...]:
        """The techniques, where the recipe leaves them open those that samples allow."""
        if self.techniques is not None:
            return self.techniques
        if not has_samples:
            return ()
        is_narrow = any(scheme.data is DType.INT8 for scheme in self._schemes())
        return (*FINER * is_narrow, *(ROUNDING if self.is_static else ROUNDING[:1]))

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        scopes = [
            {
                "scheme": scope.scheme,
                **({} if scope.operator is None else {"operator": scope.operator}),
                **({} if scope.layer is None else {"layer": scope.layer}),
            }
            for scope in self.scopes
        ]
        data: dict[str, object] = {"scheme": self.scheme, "scopes": scopes}
        if self.min_elements:
            data["min_elements"] = self.min_elements
        if self.techniques is not None:
            data["techniques"] = [technique.value for technique in self.techniques]
        return json.dumps(data, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe in a text of `to_json`. Raises QuantizationError."""
        try:
            data = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise QuantizationError(f"recipe: must be JSON; {error}") from error
        _check_keys(data, {"scheme", "scopes", "min_elements", "techniques"}, "a recipe")
        scopes, least = data.get("scopes", []), data.get("min_elements", 0)
        techniques = data.get("techniques")
        if not isinstance(scopes, list) or not isinstance(least, int) or isinstance(least, bool):
            raise QuantizationError(
                "recipe: scopes must be a list and min_elements a number; "
                f"got {str(scopes)[:60]} and {str(least)[:60]}"
            )
        if not isinstance(techniques, list | None):
            raise QuantizationError(
                f"recipe: techniques must be a list of names; got {str(techniques)[:60]}"
            )
        for scope in scopes:
            _check_keys(scope, {"scheme", "operator", "layer"}, "a scope")
            _check_strings(scope)
        _check_strings({"scheme": data["scheme"]})
        found = tuple(Scope(**scope) for scope in scopes)
        named = None if techniques is None else tuple(map(technique_named, techniques))
        return cls(data["scheme"], found, least, named)

    @classmethod
    def of(cls, given: Recipe | str) -> Recipe:
        """A recipe as it is, or of one scheme's name."""
        return given if isinstance(given, Recipe) else cls(given)


def technique_named(name: object) -> Technique:
    """The technique of a name, or itself. Raises QuantizationError."""
    try:
        return Technique(name)
    except ValueError:
        known = ", ".join(t.value for t in Technique)
        shown = str(name)[:60]
        raise QuantizationError(f"recipe: a technique is one of {known}; got {shown}") from None


def names_of(node: Node) -> list[str]:
    """What a layer's regular expression is searched in: the layer, and the names of results."""
    layers = [] if node.location is None else [node.location.layer, *node.location.fused]
    return [name for name in (*layers, node.name, *(v.name for v in node.outputs)) if name]


def _check_keys(data: object, known: set[str], what: str) -> None:
    if not isinstance(data, dict) or "scheme" not in data or not set(data) <= known:
        got = sorted(map(str, data)) if isinstance(data, dict) else type(data).__name__
        raise QuantizationError(
            f"recipe: {what} is an object with scheme and perhaps "
            f"{', '.join(sorted(known - {'scheme'}))}; got {got}"
        )


def _check_strings(scope: dict[str, object]) -> None:
    for key, value in scope.items():
        if not isinstance(value, str):
            raise QuantizationError(f"recipe: {key} must be a string; got {str(value)[:60]}")
