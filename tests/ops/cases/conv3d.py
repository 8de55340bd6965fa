"""Cases of ops/conv3d.py."""

from edgewise.ir.enums import Activation, Padding
from edgewise.ops.conv3d import Conv3D
from tests.ops.case import Case, arg, weights


def conv(x, w, bias=True, *, label="", error="", **attributes):
    operands = (arg(x), weights(w, low=-1, high=1), weights((w[-1],)) if bias else None)
    return Case(Conv3D(**attributes), operands, label=label, error=error)


CASES = [
    conv((1, 4, 5, 6, 3), (2, 3, 3, 3, 4)),
    conv((2, 5, 6, 7, 2), (3, 2, 3, 2, 5), False, stride_d=2, stride_h=2, stride_w=3, label="s"),
    conv((1, 1, 1, 1, 1), (1, 1, 1, 1, 1), label="ones"),
    conv((1, 5, 5, 5, 2), (3, 3, 3, 2, 3), padding=Padding.VALID, label="valid"),
    conv(
        (1, 7, 8, 9, 2),
        (2, 2, 2, 2, 3),
        dilation_d_factor=2,
        dilation_h_factor=3,
        dilation_w_factor=2,
        label="dilation",
    ),
    conv(
        (1, 3, 3, 3, 2),
        (3, 3, 3, 2, 3),
        fused_activation_function=Activation.RELU6,
        label="relu6",
    ),
    conv((0, 3, 3, 3, 2), (3, 3, 3, 2, 3), label="empty"),
    conv((1, 3, 3, 3, 2), (3, 3, 3, 1, 3), error="the same input channels"),
    conv((1, 3, 3, 2), (3, 3, 3, 2, 3), error="x must be [N, D, H, W, C]"),
    conv((1, 3, 3, 3, 2), (3, 3, 3, 2, 3), stride_d=0, error="stride_d must be at least 1"),
]
