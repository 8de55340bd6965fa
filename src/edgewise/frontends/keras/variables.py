"""Variables and wrapped layers of each Keras layer class: names, order and place in the file.

A layer's variables come in *units*. A v3 file stores a unit as `<layer group>/<at>/vars/0, 1, ...`,
without names; a legacy file stores named arrays in creation order. `_UNITS` has a row for every
built-in class with variables; other classes keep what the file has, by path.

Source: `build` and `save_own_variables` of the layers of Keras 3.15, checked by saving every one of
them; Keras 2 names where they differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgewise.frontends.context import fitting
from edgewise.frontends.keras.description import KerasLayer

FROZEN = frozenset(("moving_mean", "moving_variance", "mean", "variance", "count", "vector_u"))
LORA = ("lora_kernel_a", "lora_kernel_b", "lora_embeddings_a", "lora_embeddings_b")


@dataclass(frozen=True, slots=True)
class Unit:
    """Variables that a file keeps together.

    `layouts` are the possible name lists in file order; they differ in length, and the number of
    arrays tells which one it is. `at` lists the possible groups below the layer's own ("" is the
    layer itself), newest Keras first. `prefix` goes before the names in `KerasLayer.weights`.
    `scope` is the name of the part in a legacy weight path (`query`), "" where it has none.
    """

    layouts: tuple[tuple[str, ...], ...]
    at: tuple[str, ...] = ("",)
    prefix: str = ""
    scope: str = ""
    aliases: tuple[tuple[str, str], ...] = ()
    has_state: bool = False

    def layout(self, count: int) -> tuple[str, ...] | None:
        """The names of `count` arrays, or None if no layout has that length."""
        return next((names for names in self.layouts if len(names) == count), None)

    def legacy_name(self, name: str) -> str | None:
        """Our name for the last part of a legacy weight path; None if it is not of this unit."""
        if len(self.layouts[0]) == 1 and re.fullmatch(r"[Vv]ariable(_\d+)?", name):
            return self.layouts[0][0]  # made without a name
        name = dict(self.aliases).get(name, name)
        known = any(name in names for names in self.layouts) or name in LORA
        return name if known else None

    def is_complete(self, names: set[str]) -> bool:
        """`names` (of a legacy file) hold all variables of one layout and no others."""
        return any(set(layout) == names - set(LORA) for layout in self.layouts)

    @property
    def is_frozen(self) -> bool:
        """No variable of it is trainable."""
        return all(name in FROZEN for name in self.layouts[0])


def units(layer: KerasLayer) -> tuple[Unit, ...] | None:
    """The units of a layer in creation order; None for a class that is not in the table."""
    row = _UNITS.get(layer.class_name) if layer.is_builtin and not layer.is_operation else None
    if row is None:
        return None
    with fitting(f"layer '{layer.name}' ({layer.class_name})", "its config"):
        return row(layer)


def _named(
    *names: str, aliases: tuple[tuple[str, str], ...] = ()
) -> Callable[[KerasLayer], tuple[Unit, ...]]:
    return lambda layer: (Unit((names,), aliases=aliases),)


def _flag(layer: KerasLayer, key: str, default: bool = True) -> bool:
    return bool(layer.config.get(key, default))


def _convolution(
    *kernels: str, aliases: tuple[tuple[str, str], ...] = ()
) -> Callable[[KerasLayer], tuple[Unit, ...]]:
    def row(layer: KerasLayer) -> tuple[Unit, ...]:
        bias = ("bias",) if _flag(layer, "use_bias") else ()
        return (Unit(((*kernels, *bias),), aliases=aliases),)

    return row


def _kernel_layouts(layer: KerasLayer, has_bias: bool) -> tuple[tuple[str, ...], ...]:
    """Float, int8 or int4 per channel, int4 per group, float8; GPTQ and AWQ put the bias first."""
    bias = ("bias",) if has_bias else ()
    if layer.policy.quantization in ("gptq", "awq"):
        awq = ("awq_scales",) if layer.policy.quantization == "awq" else ()
        whole = (*bias, "kernel", "kernel_scale", "kernel_zero", *awq, "g_idx")
        # Keras 3.15 does not save the zeros (`save_own_variables` in layers/core/dense.py)
        return (whole, tuple(name for name in whole if name != "kernel_zero"))
    base = ("kernel", *bias)
    parts = ("inputs", "kernel", "outputs_grad")
    float8 = tuple(f"{part}_{name}" for part in parts for name in ("scale", "amax_history"))
    return (
        base,
        (*base, "kernel_scale"),
        (*base, "kernel_scale", "kernel_zero", "g_idx"),
        base + float8,
    )


_ZERO_POINT = (("zero_point", "kernel_zero"), ("quantized_kernel", "kernel"))


def _dense(layer: KerasLayer) -> tuple[Unit, ...]:
    layouts = _kernel_layouts(layer, _flag(layer, "use_bias"))
    return (Unit(layouts, aliases=_ZERO_POINT),)


def _einsum_dense(layer: KerasLayer) -> tuple[Unit, ...]:
    layouts = _kernel_layouts(layer, layer.config.get("bias_axes") is not None)
    return (Unit(layouts, aliases=_ZERO_POINT),)


def _embedding(layer: KerasLayer) -> tuple[Unit, ...]:
    scale, group = ("embeddings_scale",), ("embeddings_zero", "g_idx")
    base = ("embeddings",)
    if layer.class_name == "Embedding" or _flag(layer, "tie_weights"):
        return (Unit((base, base + scale, base + scale + group)),)
    back = tuple(
        f"reverse_{name}" for name in ("embeddings", "embeddings_scale", "embeddings_zero")
    )
    layouts = (base + back[:1], base + scale + back[:2], base + scale + group + back)
    return (Unit(layouts),)


def _scaled(*statistics: str) -> Callable[[KerasLayer], tuple[Unit, ...]]:
    """Normalization layers: gamma where `scale`, beta where `center`, then `statistics`."""

    def row(layer: KerasLayer) -> tuple[Unit, ...]:
        rms = _flag(layer, "rms_scaling", False)
        names: tuple[str, ...] = ("gamma",) if _flag(layer, "scale") or rms else ()
        names += ("beta",) if _flag(layer, "center") and not rms else ()
        names += statistics
        if statistics and _flag(layer, "renorm", False):
            names += ("moving_stddev", "renorm_mean", "renorm_stddev")
        return (Unit((names,)),)

    return row


def _normalization(layer: KerasLayer) -> tuple[Unit, ...]:
    if layer.config.get("mean") is not None:
        return ()
    return (Unit((("mean", "variance", "count"),)),)


def _attention(layer: KerasLayer) -> tuple[Unit, ...]:
    default = layer.class_name == "AdditiveAttention"
    names: tuple[str, ...] = ("scale",) if _flag(layer, "use_scale", default) else ()
    if layer.config.get("score_mode") == "concat":
        names += ("concat_score_weight",)
    return (Unit((names,)),) if names else ()


def _multi_head_attention(layer: KerasLayer) -> tuple[Unit, ...]:
    has_bias = _flag(layer, "use_bias")
    gate = ("gate",) if _flag(layer, "use_gate", False) else ()
    return tuple(
        Unit(
            _kernel_layouts(layer, has_bias),
            at=(f"{part}_dense", f"_{part}_dense"),
            prefix=f"{part}/",
            scope="attention_output" if part == "output" else part,
            aliases=_ZERO_POINT,
        )
        for part in ("query", "key", "value", *gate, "output")
    )


def _cell(at: str) -> Callable[[KerasLayer], tuple[Unit, ...]]:
    def row(layer: KerasLayer) -> tuple[Unit, ...]:
        bias = ("bias",) if _flag(layer, "use_bias") else ()
        scope = (
            re.sub(r"(?<=.)(?=[A-Z][a-z])", "_", layer.class_name).lower() + "_cell" if at else ""
        )
        return (
            Unit(
                (("kernel", "recurrent_kernel", *bias),), at=(at,), scope=scope, has_state=bool(at)
            ),
        )

    return row


def _none(layer: KerasLayer) -> tuple[Unit, ...]:
    return ()


_DEPTHWISE = _convolution("kernel", aliases=(("depthwise_kernel", "kernel"),))
_UNITS: Mapping[str, Callable[[KerasLayer], tuple[Unit, ...]]] = {
    **{
        f"Conv{n}D{suffix}": _convolution("kernel")
        for n in (1, 2, 3)
        for suffix in ("", "Transpose")
    },
    **{f"Convolution{n}D": _convolution("kernel") for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": _DEPTHWISE for n in (1, 2)},
    **{f"SeparableConv{n}D": _convolution("depthwise_kernel", "pointwise_kernel") for n in (1, 2)},
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), _cell("cell")),
    **{f"ConvLSTM{n}D": _cell("cell") for n in (1, 2, 3)},
    **dict.fromkeys(("LSTMCell", "GRUCell", "SimpleRNNCell"), _cell("")),
    **dict.fromkeys(("Bidirectional", "TimeDistributed", "RNN", "StackedRNNCells"), _none),
    "Pipeline": _none,
    "MultiHeadAttention": _multi_head_attention,
    "GroupQueryAttention": _multi_head_attention,
    "Dense": _dense,
    "EinsumDense": _einsum_dense,
    "Embedding": _embedding,
    "ReversibleEmbedding": _embedding,
    "BatchNormalization": _scaled("moving_mean", "moving_variance"),
    "LayerNormalization": _scaled(),
    "GroupNormalization": _scaled(),
    "RMSNormalization": _named("scale"),
    "Normalization": _normalization,
    "SpectralNormalization": lambda layer: (Unit((("vector_u",), ("kernel", "vector_u"))),),
    "PReLU": _named("alpha"),
    "LayerScale": _named("gamma"),
    "Attention": _attention,
    "AdditiveAttention": _attention,
}


@dataclass(frozen=True, slots=True)
class Child:
    """A wrapped layer: its key in `KerasLayer.sublayers`, its group in a v3 file, its JSON."""

    key: str
    at: str
    entry: Mapping[str, object]


def children(class_name: str, config: Mapping[str, object]) -> tuple[Child, ...]:
    """The layers that a built-in wrapper of this class holds; `config` is undecoded JSON."""
    if class_name == "Bidirectional":
        return _directions(config)
    if class_name in ("Pipeline", "StackedRNNCells"):
        attribute = "layers" if class_name == "Pipeline" else "cells"
        return _members(attribute, config.get(attribute))
    key = {"RNN": "cell"}.get(class_name, "layer")
    entry = config.get(key)
    if class_name not in ("RNN", "TimeDistributed", "SpectralNormalization", "Wrapper"):
        return ()
    return (Child(key, key, entry),) if isinstance(entry, dict) else ()


def _members(attribute: str, entries: object) -> tuple[Child, ...]:
    if not isinstance(entries, list):
        return ()
    found = [entry for entry in entries if isinstance(entry, dict)]
    groups = container_names([str(entry.get("class_name")) for entry in found])
    return tuple(
        Child(f"{attribute}/{i}", f"{attribute}/{group}", entry)
        for i, (group, entry) in enumerate(zip(groups, found, strict=True))
    )


def _directions(config: Mapping[str, object]) -> tuple[Child, ...]:
    """Forward and backward layer; the file leaves out the second where it mirrors the first."""
    forward, backward = config.get("layer"), config.get("backward_layer")
    if not isinstance(forward, dict) or not isinstance(forward.get("config"), dict):
        return ()
    name = str(forward["config"].get("name", "")).removeprefix("forward_")
    forward = forward | {"config": forward["config"] | {"name": f"forward_{name}"}}
    if not isinstance(backward, dict):
        reverse = not forward["config"].get("go_backwards", False)
        mirrored = forward["config"] | {"name": f"backward_{name}", "go_backwards": reverse}
        backward = forward | {"config": mirrored}
    return (
        Child("forward_layer", "forward_layer", forward),
        Child("backward_layer", "backward_layer", backward),
    )


# A config has the public name of a class, a group the name in the source: one class has two.
_SAVED_AS = {"GroupQueryAttention": "GroupedQueryAttention"}


def container_names(class_names: list[str]) -> list[str]:
    """Group names of the members of a list of layers in a v3 file: `dense`, `dense_1`, `conv2d`."""
    used: dict[str, int] = {}
    names = []
    for class_name in class_names:
        snake = snake_case(_SAVED_AS.get(class_name, class_name))
        count = used.get(snake, -1) + 1
        used[snake] = count
        names.append(f"{snake}_{count}" if count else snake)
    return names


def snake_case(name: str) -> str:
    """Keras's own spelling: `PReLU` is `p_re_lu`, `Conv2DTranspose` is `conv2d_transpose`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
