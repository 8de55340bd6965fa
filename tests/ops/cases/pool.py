"""Cases of ops/pool.py."""

from edgewise.ir.enums import Activation, Padding
from edgewise.ops.pool import AveragePool2D, L2Pool2D, MaxPool2D
from tests.ops.case import Case, arg

ALL = ("int8", "uint8", "int16")
BYTES = ("int8", "uint8")
POOLS = (AveragePool2D, MaxPool2D, L2Pool2D)


# of an empty batch; its kernels leave height and width unset
UNSET = "LiteRT's result has another shape in every run"


def pool(
    op, shape, size, strides=(1, 1), *, quantize=ALL, label="", error="", no_litert="", **attributes
):
    return Case(
        op(
            filter_height=size[0],
            filter_width=size[1],
            stride_h=strides[0],
            stride_w=strides[1],
            **attributes,
        ),
        (arg(shape),),
        label=label,
        quantize=() if op is L2Pool2D or error else quantize,
        error=error,
        no_litert=no_litert,
    )


CASES = [
    case
    for op in POOLS
    for case in (
        pool(op, (1, 7, 5, 3), (3, 3)),
        pool(op, (2, 8, 8, 17), (2, 2), (2, 2), label="even"),
        pool(op, (1, 1, 1, 1), (1, 1), label="ones"),
        pool(op, (1, 13, 11, 5), (3, 5), (2, 3), label="odd"),
        pool(op, (1, 13, 11, 5), (3, 5), (2, 3), padding=Padding.VALID, label="valid"),
        pool(op, (1, 7, 7, 19), (7, 7), padding=Padding.VALID, label="global"),
        pool(op, (1, 3, 3, 2), (5, 7), (2, 2), label="kernel-beyond-image"),
        pool(op, (1, 6, 6, 4), (3, 3), fused_activation_function=Activation.RELU, label="relu"),
        pool(op, (1, 6, 6, 4), (3, 3), fused_activation_function=Activation.RELU6, label="relu6"),
        pool(
            op,
            (1, 6, 6, 4),
            (3, 3),
            fused_activation_function=Activation.RELU_N1_TO_1,
            label="relu_n1",
        ),
        pool(op, (0, 6, 6, 4), (3, 3), quantize=(), label="empty", no_litert=UNSET),
        *(
            pool(op, (1, 3, 4, c), (3, 2), (2, 1), quantize=BYTES, label="channels")
            for c in (7, 8, 15, 33, 65, 130)
        ),
        pool(op, (1, 1, 9, 9), (1, 4), (1, 3), quantize=BYTES, label="line"),
        pool(op, (2, 5, 3, 8), (2, 2), (4, 3), quantize=BYTES, label="stride-beyond-kernel"),
        pool(op, (1, 6, 6), (3, 3), error="x must be [N, H, W, C]"),
        pool(op, (1, 6, 6, 4), (0, 3), error="kernel_h must be at least 1"),
        pool(op, (1, 6, 6, 4), (3, 3), (1, 0), error="stride_w must be at least 1"),
        pool(
            op,
            (1, 6, 6, 4),
            (3, 3),
            fused_activation_function=Activation.SIGN_BIT,
            error="activation must be defined on numbers",
        ),
    )
]
