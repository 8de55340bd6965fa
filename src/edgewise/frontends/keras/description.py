"""What a Keras file says, in one form for every format version.

`read_keras` fills these values in; the layer handlers read them. Nothing here knows a file format,
and nothing here means anything yet: a layer is a class name, its decoded config and its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from edgewise.ir.dim import Dim


@dataclass(frozen=True, slots=True)
class TensorRef:
    """An output of a call in the same model: `layer`'s call number `call`, its `tensor`-th output.

    `call` counts from 0 for every layer, also for nested models (files count some from 1).
    `tensor` indexes the flattened outputs; None is the whole output structure, whatever it is
    (a Sequential model hands that on).
    """

    layer: str
    call: int = 0
    tensor: int | None = 0


@dataclass(frozen=True, slots=True)
class KerasObject:
    """A serialized object in a config: initializer, activation, wrapped layer, policy."""

    class_name: str
    config: object
    module: str | None = None
    registered_name: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A function by name (`relu`, `my_package>my_activation`); the file does not hold its body."""

    name: str
    module: str | None = None
    registered_name: str | None = None


@dataclass(frozen=True, slots=True)
class PythonCode:
    """Marshalled Python bytecode. It stays opaque: it is neither decoded nor executed."""

    n_bytes: int


@dataclass(frozen=True, slots=True)
class LiveFunction:
    """A function of a live model, or one that the caller gave for a name in a file."""

    function: Callable[..., object]


@dataclass(frozen=True, slots=True)
class Repeated:
    """`array`, its axes of 1 repeated to `shape`: a constant of a size that is unknown."""

    array: np.ndarray
    shape: tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """`count` numbers from `start` on, `step` apart; the count is unknown."""

    start: float
    step: float
    count: Dim
    dtype: np.dtype[np.generic]


@dataclass(frozen=True, slots=True)
class DTypePolicy:
    """Which dtypes a layer computes in and stores; `float32` for both where the file says nothing.

    `quantization` is `int8`, `int4`, `float8`, `gptq` or `awq` for layers quantized by Keras 3.
    `overrides` holds the entries of a DTypePolicyMap by sublayer path.
    """

    name: str = "float32"
    compute: str = "float32"
    variable: str = "float32"
    quantization: str | None = None
    overrides: Mapping[str, DTypePolicy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Integers:
    """Weights that Keras stores as integers: `q * scale`, in the axes of the float weights.

    `q` is int8 with the values of `bits` bits; `scale` is float32 of the same rank, with 1s along
    the axes that share a scale. `is_rounded`: Keras has a scale for each of several groups in a
    row, so these are not its own integers but the nearest ones with one scale.
    """

    q: np.ndarray
    scale: np.ndarray
    bits: int = 8
    is_rounded: bool = False

    def floats(self) -> np.ndarray:
        """The weights, float32."""
        return self.q * self.scale


@dataclass(frozen=True, slots=True)
class KerasLayer:
    """One layer, or one `keras.ops` operation (`is_operation`) of a functional graph.

    `config` is decoded: arrays are np.ndarray, slices are slice, objects are `KerasObject`,
    functions `FunctionRef`, bytecode `PythonCode` (then `has_code`).
    `weights` are the layer's own arrays, read-only, by the names of `variables.py`
    (`kernel`, `query/bias`); for classes unknown to it, by the path in the file.
    `integers` has those instead, of layers that Keras quantized, once `quantized.py` has seen them.
    `sublayers` are wrapped layers: `layer`, `forward_layer`, `backward_layer`, `cell`, `cells/0`,
    `layers/0`. `assets` are side files such as `vocabulary.txt`.
    `entry` is the JSON of a class that is not Keras's, for whoever has the class.
    `live` is the Keras object itself, where there is one: of a model in memory, or made of a class
    that the caller gave.
    """

    class_name: str
    name: str
    config: Mapping[str, object]
    module: str | None = None
    registered_name: str | None = None
    build_config: Mapping[str, object] = field(default_factory=dict)
    policy: DTypePolicy = field(default_factory=DTypePolicy)
    trainable: bool = True
    is_operation: bool = False
    has_code: bool = False
    is_shared: bool = False
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    integers: Mapping[str, Integers] = field(default_factory=dict)
    sublayers: Mapping[str, KerasNode] = field(default_factory=dict)
    assets: Mapping[str, bytes] = field(default_factory=dict)
    entry: Mapping[str, object] = field(default_factory=dict)
    live: object = None

    @property
    def is_builtin(self) -> bool:
        """The class is Keras's own, not one registered or defined by the user.

        Legacy files name no module: there a registered class is told by its `package>name`.
        """
        if ">" in self.class_name or ">" in (self.registered_name or ""):
            return False
        return self.module is None or self.module.split(".")[0] in ("keras", "tf_keras")


@dataclass(frozen=True, slots=True)
class KerasCall:
    """`layer` (a name in the same model) applied for the `index`-th time.

    `args` and `kwargs` are decoded like a config, with a `TensorRef` wherever a tensor stood, at
    any depth of lists, dicts and slices. Traced code says where it stood: `within` are the layers
    whose own code it is, `where` is the file and line (`is_traced` also where those are unknown).
    """

    layer: str
    index: int
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    within: tuple[str, ...] = ()
    where: tuple[str, int] | None = None
    is_traced: bool = False


class ModelKind(Enum):
    """How the file describes the model; both kinds carry calls."""

    FUNCTIONAL = "functional"
    SEQUENTIAL = "sequential"


@dataclass(frozen=True, slots=True)
class KerasModel:
    """A graph of calls. `calls` are in topological order and leave out the InputLayers.

    `inputs` and `outputs` are nested structures (a TensorRef, or lists and dicts of them) as the
    file has them; `flatten` gives Keras's order. Every input refers to an InputLayer.
    """

    kind: ModelKind
    class_name: str
    name: str
    layers: tuple[KerasNode, ...]
    calls: tuple[KerasCall, ...]
    inputs: object
    outputs: object
    module: str | None = None
    registered_name: str | None = None
    policy: DTypePolicy = field(default_factory=DTypePolicy)
    trainable: bool = True
    is_shared: bool = False

    def layer(self, name: str) -> KerasNode:
        """The layer or nested model with this name. Raises KeyError."""
        for node in self.layers:
            if node.name == name:
                return node
        raise KeyError(name)


KerasNode = KerasLayer | KerasModel


@dataclass(frozen=True, slots=True)
class KerasFile:
    """A model and where it came from. `format` is `keras` (v3 archive) or `h5` (legacy)."""

    model: KerasModel
    format: str
    keras_version: str
    file: str


def flatten(structure: object) -> list[TensorRef]:
    """The tensor references of a nested structure in Keras's order: dicts by sorted key."""
    if isinstance(structure, TensorRef):
        return [structure]
    if isinstance(structure, Mapping):
        return [ref for key in sorted(structure) for ref in flatten(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [ref for item in structure for ref in flatten(item)]
    return []


def walk(
    node: KerasNode, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], KerasNode]]:
    """Every layer and model below `node` with its path of names, parents first."""
    children = (
        {child.name: child for child in node.layers}
        if isinstance(node, KerasModel)
        else node.sublayers
    )
    for name, child in children.items():
        yield (*path, name), child
        yield from walk(child, (*path, name))
