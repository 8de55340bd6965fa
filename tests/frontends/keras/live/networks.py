"""Networks as users write them: subclassed models and layers of their own, with `keras.ops`."""

from __future__ import annotations

import keras
from keras import layers as L
from keras import ops


class RotaryAttention(L.Layer):
    """Multi-head attention with rotary positions, heads by reshape, weights of its own."""

    def __init__(self, heads: int, size: int, **options: object) -> None:
        super().__init__(**options)
        self.heads, self.size = heads, size
        self.query, self.key, self.value = (L.Dense(heads * size, name=n) for n in "qkv")
        self.output_projection = L.Dense(heads * size, name="out")

    def build(self, shape: tuple[int | None, ...]) -> None:
        for layer in (self.query, self.key, self.value):
            layer.build(shape)
        self.output_projection.build((*shape[:-1], self.heads * self.size))
        self.temperature = self.add_weight(shape=(), initializer="ones", name="temperature")
        self.built = True

    def _split(self, x: object) -> object:
        batch, length = ops.shape(x)[0], ops.shape(x)[1]
        return ops.transpose(ops.reshape(x, (batch, length, self.heads, self.size)), (0, 2, 1, 3))

    def _rotated(self, x: object) -> object:
        length = ops.shape(x)[2]
        half = self.size // 2
        angle = ops.expand_dims(ops.arange(length, dtype="float32"), 1)
        angle = angle * ops.power(10000.0, -ops.arange(half, dtype="float32") / half)
        a, b = ops.split(x, 2, axis=-1)
        cos, sin = ops.cos(angle), ops.sin(angle)
        return ops.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)

    def call(self, x: object, padding_mask: object = None) -> object:
        q, k = (self._rotated(self._split(layer(x))) for layer in (self.query, self.key))
        v = self._split(self.value(x))
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / ops.sqrt(float(self.size))
        scores = self.temperature * scores
        if padding_mask is not None:
            keep = ops.cast(padding_mask, scores.dtype)[:, None, None, :]
            scores = scores + (1.0 - keep) * -1e9
        y = ops.matmul(ops.softmax(scores), v)
        y = ops.transpose(y, (0, 2, 1, 3))
        shape = ops.shape(y)
        return self.output_projection(ops.reshape(y, (shape[0], shape[1], -1)))


class EncoderBlock(L.Layer):
    """Attention and a gated feed-forward network, each with a residual, normalized before."""

    def __init__(self, heads: int, size: int, **options: object) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.attention = RotaryAttention(heads, size, name="attention")
        self.norms = [L.LayerNormalization(epsilon=1e-6), L.RMSNormalization()]
        self.up, self.gate = L.Dense(4 * size, name="up"), L.Dense(4 * size, name="gate")
        self.down = L.Dense(heads * size, name="down")
        self.dropout = L.Dropout(0.2)

    def call(self, x: object, mask: object = None, training: bool | None = None) -> object:
        y = self.attention(self.norms[0](x), padding_mask=mask)
        x = x + self.dropout(y, training=training)
        y = self.norms[1](x)
        y = self.down(ops.silu(self.gate(y)) * self.up(y))
        return x + self.dropout(y, training=training)


class Encoder(keras.Model):
    """Token ids to vectors: a dict in, a dict out, a mask on the way."""

    def __init__(self, vocabulary: int = 50, depth: int = 2) -> None:
        super().__init__(name="encoder")
        self.tokens = L.Embedding(vocabulary, 16, mask_zero=True)
        self.segments = L.Embedding(2, 16)
        self.blocks = [EncoderBlock(2, 8, name=f"block_{i}") for i in range(depth)]
        self.pooler = L.Dense(16, activation="tanh", name="pooler")

    def call(self, inputs: dict[str, object], training: bool | None = None) -> dict[str, object]:
        x = self.tokens(inputs["token_ids"])
        mask = ops.not_equal(inputs["token_ids"], 0)
        x = x + self.segments(inputs["segment_ids"])
        for block in self.blocks:
            x = block(x, mask=mask, training=training)
        return {"sequence": x, "pooled": self.pooler(x[:, 0, :])}


class SqueezeExcite(L.Layer):
    """Channels weighted by a summary of the picture; `gamma` is a weight of its own."""

    def __init__(self, ratio: int = 4, **options: object) -> None:
        super().__init__(**options)
        self.ratio = ratio

    def build(self, shape: tuple[int | None, ...]) -> None:
        channels = shape[-1]
        self.reduce = L.Conv2D(channels // self.ratio, 1, activation="relu")
        self.expand = L.Conv2D(channels, 1, activation="hard_sigmoid")
        self.gamma = self.add_weight(shape=(channels,), initializer="ones", name="gamma")
        self.reduce.build((None, 1, 1, channels))
        self.expand.build((None, 1, 1, channels // self.ratio))
        self.built = True

    def call(self, x: object) -> object:
        y = ops.mean(x, axis=(1, 2), keepdims=True)
        return self.gamma * x * self.expand(self.reduce(y))


class ResidualBlock(L.Layer):
    """Two convolutions and a shortcut; channels are shuffled between them."""

    def __init__(self, filters: int, stride: int = 1, **options: object) -> None:
        super().__init__(**options)
        self.conv = keras.Sequential(
            [
                L.Conv2D(filters, 3, stride, "same", use_bias=False),
                L.BatchNormalization(),
                L.ReLU(6.0),
            ]
        )
        self.depthwise = L.DepthwiseConv2D(3, padding="same")
        self.excite = SqueezeExcite(name="excite")
        self.shortcut = L.Conv2D(filters, 1, stride) if stride > 1 else None

    def call(self, x: object, training: bool = False) -> object:
        y = self.conv(x, training=training)
        batch, height, width, channels = ops.shape(y)
        y = ops.reshape(y, (batch, height, width, 2, channels // 2))
        y = ops.reshape(ops.swapaxes(y, 3, 4), (batch, height, width, channels))
        y = self.excite(self.depthwise(y))
        return y + (x if self.shortcut is None else self.shortcut(x))


class Pictures(keras.Model):
    """A network with custom blocks in a list, a pyramid of features and two outputs."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__(name="pictures")
        self.stem = L.Conv2D(8, 3, 2, "same")
        sizes = ((8, 1), (16, 2), (16, 1))
        self.blocks = [ResidualBlock(*size, name=f"block_{i}") for i, size in enumerate(sizes)]
        self.head = L.Dense(classes, activation="softmax")

    def call(self, x: object, training: bool = False) -> tuple[object, object]:
        x = self.stem(x / 127.5 - 1.0)
        for block in self.blocks:
            x = block(x, training=training)
        pooled = ops.max(x, axis=(1, 2))
        return self.head(pooled), ops.normalize(pooled, axis=-1)


class Options(keras.Model):
    """A call with several tensors and arguments that are none."""

    def __init__(self) -> None:
        super().__init__(name="options")
        self.dense = L.Dense(4)
        self.norm = L.BatchNormalization()

    def call(
        self,
        x: object,
        other: object = None,
        scale: float = 2.0,
        mask: object = None,
        training: bool | None = None,
    ) -> list[object]:
        y = self.norm(self.dense(x), training=training) * scale
        if mask is not None:
            y = ops.where(mask, y, 0.0)
        return [y, y if other is None else y + other]


class Leaky(L.Layer):
    """A recurrent cell of the user's own."""

    def __init__(self, units: int, **options: object) -> None:
        super().__init__(**options)
        self.units = self.state_size = self.output_size = units

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.memory = self.add_weight(shape=(self.units, self.units), name="memory")
        self.built = True

    def call(self, x: object, states: list[object]) -> tuple[object, list[object]]:
        h = 0.9 * states[0] + 0.1 * ops.tanh(
            ops.matmul(x, self.kernel) + ops.matmul(states[0], self.memory)
        )
        return h, [h]


class Rotary(L.Layer):
    """Causal attention whose queries and keys are turned by their positions; two heads."""

    def build(self, shape):
        self.project = L.Dense(3 * shape[-1], use_bias=False)

    def call(self, x):
        batch, length, width = ops.shape(x)
        shape = (batch, length, 2, width // 2)
        parts = ops.split(self.project(x), 3, axis=-1)
        q, k, v = (ops.reshape(part, shape) for part in parts)
        scores = ops.einsum("bqhd,bkhd->bhqk", self.turned(q), self.turned(k))
        scores += ops.triu(ops.full((length, length), -1e9), 1)
        y = ops.einsum("bhqk,bkhd->bqhd", ops.softmax(scores), v)
        return ops.reshape(y, (batch, length, width))

    def turned(self, x):
        half = x.shape[-1] // 2
        speeds = ops.power(100.0, -ops.arange(half, dtype="float32") / half)
        angles = ops.arange(ops.shape(x)[1], dtype="float32")[:, None] * speeds[None]
        cos, sin = ops.cos(angles)[None, :, None], ops.sin(angles)[None, :, None]
        a, b = ops.split(x, 2, axis=-1)
        return ops.concatenate([a * cos - b * sin, b * cos + a * sin], -1)
