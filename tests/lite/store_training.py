"""A `.tflite` file of TensorFlow's own converter that trains itself, and LiteRT's run of it.

    ORACLE_PYTHON tests/lite/store_training.py

Writes `training.npz`: the `model`, batches `x` and `y`, the `losses` of a `train` step on each, the
`outputs` of `infer` on the rows of the first batch, and the `weights` that `save` gives, in the
order of their names; `versions` of what made it. The four signatures share variables.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

Spec = tf.TensorSpec
STEPS, BATCH, FEATURES, CLASSES = 40, 8, 16, 3
SHAPES = ((FEATURES, 8), (8,), (8, CLASSES), (CLASSES,))
ANSWERS = Path(__file__).with_name("training.npz")


class Training(tf.Module):
    """Two dense layers; what their gradients need are operators of TensorFlow Lite's own."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.RandomState(5)
        self.weights = [tf.Variable(random.normal(0, 0.5, s).astype(np.float32)) for s in SHAPES]

    def scores(self, x: tf.Tensor) -> tf.Tensor:
        w1, b1, w2, b2 = self.weights
        return tf.maximum(x @ w1 + b1, 0.0) @ w2 + b2

    @tf.function(
        input_signature=[Spec([BATCH, FEATURES], name="x"), Spec([BATCH, CLASSES], name="y")]
    )
    def train(self, x: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            scores = self.scores(x)
            entropy = tf.math.log(tf.reduce_sum(tf.exp(scores), 1)) - tf.reduce_sum(y * scores, 1)
            loss = tf.reduce_mean(entropy)
        for weight, gradient in zip(self.weights, tape.gradient(loss, self.weights), strict=True):
            weight.assign_sub(0.5 * gradient)
        return {"loss": loss}

    @tf.function(input_signature=[Spec([1, FEATURES], name="x")])
    def infer(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"output": tf.nn.softmax(self.scores(x))}

    @tf.function(input_signature=[])
    def save(self) -> dict[str, tf.Tensor]:
        return {f"weight{i}": weight.read_value() for i, weight in enumerate(self.weights)}

    @tf.function(input_signature=[Spec(s, name=f"weight{i}") for i, s in enumerate(SHAPES)])
    def restore(self, *weights: tf.Tensor) -> dict[str, tf.Tensor]:
        for weight, value in zip(self.weights, weights, strict=True):
            weight.assign(value)
        return {"size": tf.size(weights[0])}


def converted() -> bytes:
    """The module as TensorFlow's converter writes it."""
    module = Training()
    keys = ("train", "infer", "save", "restore")
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={key: getattr(module, key) for key in keys})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.experimental_enable_resource_variables = True
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return bytes(converter.convert())


def main() -> None:
    """Convert, train by LiteRT, write."""
    file = converted()
    random = np.random.RandomState(6)
    classes = random.randint(0, CLASSES, (STEPS, BATCH))
    centres = random.normal(0, 1, (CLASSES, FEATURES))
    x = (centres[classes] + random.normal(0, 0.5, (STEPS, BATCH, FEATURES))).astype(np.float32)
    y = np.eye(CLASSES, dtype=np.float32)[classes]
    interpreter = Interpreter(model_content=file)
    train, infer, save = map(interpreter.get_signature_runner, ("train", "infer", "save"))
    losses = [train(x=a, y=b)["loss"] for a, b in zip(x, y, strict=True)]
    outputs = [infer(x=row[None])["output"][0] for row in x[0]]
    weights = {f"weight{i}": save()[f"weight{i}"] for i in range(len(SHAPES))}
    np.savez_compressed(
        ANSWERS,
        model=np.frombuffer(file, np.uint8),
        x=x,
        y=y,
        losses=np.array(losses),
        outputs=np.array(outputs),
        versions=np.array([f"tensorflow {tf.__version__}", "ai-edge-litert 2.3.0"]),
        **weights,
    )


if __name__ == "__main__":
    main()
