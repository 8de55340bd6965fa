"""The module of the fixture `training` (`make_fixtures.py`): a classifier that trains itself."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

Spec = tf.TensorSpec
SHAPES = ((3, 3, 1, 4), (2, 2, 4, 1), (16, 8), (8,), (8, 3), (3,))  # of its weights


class Training(tf.Module):
    """A classifier that trains itself: the shape of TensorFlow's guide to training on the device,
    whose weights go out and in as tensors, not as files."""

    def __init__(self, weights: list[np.ndarray]) -> None:
        super().__init__()
        self.weights = [tf.Variable(weight) for weight in weights]

    def scores(self, x):
        conv, depthwise, w1, b1, w2, b2 = self.weights
        y = tf.nn.relu(tf.nn.conv2d(x[..., None], conv, 1, "SAME"))
        y = tf.nn.depthwise_conv2d(y, depthwise, [1, 1, 1, 1], "SAME")
        y = tf.nn.max_pool2d(y, 2, 2, "VALID") + tf.nn.avg_pool2d(y, 3, 2, "SAME")
        return tf.nn.relu(tf.reshape(y, [-1, 16]) @ w1 + b1) @ w2 + b2

    @tf.function(input_signature=[Spec([None, 4, 4], name="x"), Spec([None, 3], name="y")])
    def train(self, x, y):
        with tf.GradientTape() as tape:
            losses = tf.nn.softmax_cross_entropy_with_logits(y, self.scores(x))
            loss = tf.reduce_mean(losses)
        for weight, gradient in zip(self.weights, tape.gradient(loss, self.weights), strict=True):
            weight.assign_sub(0.5 * gradient)
        return {"loss": loss}

    @tf.function(input_signature=[Spec([None, 4, 4], name="x")])
    def infer(self, x):
        return {"output": tf.nn.softmax(self.scores(x))}

    @tf.function(input_signature=[])
    def save(self):
        return {f"weight{i}": weight.read_value() for i, weight in enumerate(self.weights)}

    @tf.function(input_signature=[Spec(shape, name=f"weight{i}") for i, shape in enumerate(SHAPES)])
    def restore(self, *weights):
        for weight, value in zip(self.weights, weights, strict=True):
            weight.assign(value)
        return {"size": tf.size(weights[0])}
