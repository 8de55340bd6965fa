"""Cases of handlers/{gradients,window_gradients}.py: broadcasts, convolutions and poolings."""

import numpy as np

from tests.frontends.tensorflow.case import case, k, x

ONE, TWO, WIDE = [1, 1, 1, 1], [1, 2, 2, 1], [1, 3, 3, 1]
EMPTY = "LiteRT refuses empty constants"
EXPLICIT = [0, 0, 1, 2, 0, 1, 0, 0]
TIES = np.random.default_rng(5).integers(0, 3, (2, 7, 9, 3)).astype(np.float32)

# padding, strides, the image's rows and columns, those of the result, for a kernel of 3 x 2
WINDOWS = {
    "same": ("SAME", ONE, (5, 6), (5, 6)),
    "same_strided": ("SAME", TWO, (6, 7), (3, 4)),
    "valid": ("VALID", ONE, (6, 5), (4, 4)),
    "valid_with_a_rest": ("VALID", WIDE, (8, 7), (2, 2)),
}
for label, (padding, strides, size, out) in WINDOWS.items():
    shared = {"strides": strides, "padding": padding, "label": label}
    case("Conv2DBackpropFilter", x(2, *size, 3), k([3, 2, 3, 4]), x(2, *out, 4), **shared)
    case("DepthwiseConv2dNativeBackpropFilter", x(2, *size, 3), k([3, 2, 3, 2]), x(2, *out, 6),
         **shared)  # fmt: skip
    case("DepthwiseConv2dNativeBackpropInput", k([2, *size, 3]), x(3, 2, 3, 2), x(2, *out, 6),
         **shared)  # fmt: skip
    case("AvgPoolGrad", k([2, *size, 3]), x(2, *out, 3), ksize=[1, 3, 2, 1], **shared)
case("Conv2DBackpropFilter", x(2, 7, 8, 3), k([3, 2, 3, 4]), x(2, 3, 6, 4), strides=ONE,
     padding="VALID", dilations=[1, 2, 2, 1], label="dilated", by_hand=True)  # fmt: skip
case("Conv2DBackpropFilter", x(2, 6, 5, 3), k([3, 2, 3, 4]), x(2, 4, 3, 4), strides=TWO,
     padding="EXPLICIT", explicit_paddings=EXPLICIT, label="explicit")  # fmt: skip
case("Conv2DBackpropFilter", x(2, 6, 5, 3, unknown=[0]), k([3, 2, 3, 4]), x(2, 3, 3, 4),
     strides=TWO, padding="SAME", label="any_batch")  # fmt: skip
case("Conv2DBackpropFilter", x(2, 6, 5, 4), k([3, 2, 2, 4]), x(2, 6, 5, 4), strides=ONE,
     padding="SAME", label="groups", refused="a grouped convolution")  # fmt: skip
case("DepthwiseConv2dNativeBackpropInput", k([2, 5, 5, 3]), x(3, 3, 3, 1), x(2, 5, 5, 3),
     strides=ONE, padding="SAME", label="one_each")  # fmt: skip
case("Conv2DBackpropFilter", x(2, 3, 5, 5), k([3, 2, 3, 4]), x(2, 4, 5, 5), strides=ONE,
     padding="SAME", data_format="NCHW", label="nchw", refused="train a model of")  # fmt: skip


def pooled(window: int, strides: tuple[int, int], before: int) -> np.ndarray:
    """The largest of each window of TIES, one row and column of which may be padded."""
    wide = np.pad(TIES, [(0, 0), (before, before), (before, before), (0, 0)], constant_values=-9)
    spans = np.lib.stride_tricks.sliding_window_view(wide, (window, window), (1, 2))
    return spans.max((-2, -1))[:, :: strides[0], :: strides[1]].copy()


case("BroadcastGradientArgs", k([2, 1, 3]), k([4, 3]))
case("BroadcastGradientArgs", k([5]), k([5]), label="none", no_litert=EMPTY)
case("BroadcastGradientArgs", k([2, 3]), k(np.zeros(0, np.int32)), label="a_scalar",
     no_litert=EMPTY)  # fmt: skip

for label, padding, window, strides in (
    ("apart", "VALID", 2, (2, 2)),
    ("overlapping", "SAME", 3, (2, 2)),
    ("with_gaps", "VALID", 1, (3, 2)),
):
    y = pooled(window, strides, int(padding == "SAME"))
    case("MaxPoolGrad", x(TIES), x(y), x(*y.shape), ksize=[1, window, window, 1],
         strides=[1, *strides, 1], padding=padding, label=label)  # fmt: skip
