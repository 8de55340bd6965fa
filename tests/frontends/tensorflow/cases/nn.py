"""Cases of handlers/{convolution,pooling,normalization,linear}.py."""

import numpy as np

from tests.frontends.tensorflow.case import case, k, x

case("Conv2D", x(2, 5, 7, 3), k(3, 3, 3, 4), strides=[1, 1, 1, 1], padding="SAME")
case("Conv2D", x(1, 8, 9, 3, unknown=[0]), k(3, 2, 3, 5), strides=[1, 2, 3, 1], padding="VALID")
case("Conv2D", x(2, 9, 7, 2), k(3, 3, 2, 3), strides=[1, 1, 1, 1], padding="SAME",
     dilations=[1, 2, 2, 1], label="dilated")  # fmt: skip
case("Conv2D", x(2, 5, 7, 2), k(3, 3, 2, 3), strides=[1, 2, 2, 1], padding="EXPLICIT",
     explicit_paddings=[0, 0, 1, 2, 0, 3, 0, 0], label="explicit")  # fmt: skip
case("Conv2D", x(2, 5, 7, 6), k(3, 3, 2, 9), strides=[1, 1, 1, 1], padding="SAME", label="groups")
case("Conv2D", x(2, 5, 7, 3), x(1, 1, 3, 4), strides=[1, 1, 1, 1], padding="SAME",
     label="computed-kernel")  # fmt: skip
case("Conv2D", x(2, 3, 5, 7), k(3, 3, 3, 4), strides=[1, 1, 2, 1], padding="SAME",
     is_channels_first=True, label="nchw")  # fmt: skip
case("Conv2D", x(2, 3, 5, 7), k(3, 3, 3, 4), strides=[1, 1, 2, 1], padding="EXPLICIT",
     explicit_paddings=[0, 0, 0, 0, 1, 0, 2, 1], is_channels_first=True,
     label="nchw-explicit")  # fmt: skip
case("Conv2D", x(1, 5, 5, 2, dtype="float16"), k(3, 3, 2, 3, dtype="float16"),
     strides=[1, 1, 1, 1], padding="SAME", label="float16", tolerance=5e-3)  # fmt: skip
case("DepthwiseConv2dNative", x(2, 5, 7, 3), k(3, 3, 3, 1), strides=[1, 1, 1, 1], padding="SAME")
case("DepthwiseConv2dNative", x(2, 6, 7, 3), k(3, 2, 3, 2), strides=[1, 2, 2, 1], padding="VALID",
     label="multiplier")  # fmt: skip
case("DepthwiseConv2dNative", x(2, 9, 9, 3), k(3, 3, 3, 2), strides=[1, 1, 1, 1], padding="SAME",
     dilations=[1, 2, 2, 1], label="dilated", by_hand=True)  # fmt: skip
case("Conv2DBackpropInput", k([2, 10, 14, 4]), k(3, 3, 4, 3), x(2, 5, 7, 3),
     strides=[1, 2, 2, 1], padding="SAME")  # fmt: skip
case("Conv2DBackpropInput", k([1, 11, 15, 2]), k(3, 3, 2, 3), x(1, 5, 7, 3),
     strides=[1, 2, 2, 1], padding="VALID")  # fmt: skip
case("Conv2DBackpropInput", x(np.array([1, 11, 15, 2], np.int32)), k(3, 3, 2, 3), x(1, 5, 7, 3),
     strides=[1, 2, 2, 1], padding="VALID", label="computed-size")  # fmt: skip
case("Conv2DBackpropInput", k([1, 9, 13, 2]), k(3, 3, 2, 3), x(1, 5, 7, 3),
     strides=[1, 2, 2, 1], padding="EXPLICIT", explicit_paddings=[0, 0, 1, 1, 1, 1, 0, 0],
     label="explicit")  # fmt: skip
case("Conv2DBackpropInput", k([1, 9, 8, 2]), k(3, 3, 2, 3), x(1, 5, 4, 3),
     strides=[1, 1, 1, 1], padding="VALID", dilations=[1, 2, 2, 1],
     label="dilated", by_hand=True)  # fmt: skip
case("Conv3D", x(1, 4, 5, 6, 2), k(2, 3, 2, 2, 3), strides=[1, 1, 2, 1, 1], padding="SAME")
case("Conv3D", x(2, 4, 5, 6, 2, unknown=[0]), k(2, 3, 2, 2, 3), strides=[1, 2, 1, 2, 1],
     padding="VALID")  # fmt: skip
for op in ("Conv3DBackpropInputV2",):
    case(op, k([1, 4, 6, 5, 2]), k(2, 3, 2, 2, 3), x(1, 2, 3, 5, 3), strides=[1, 2, 2, 1, 1],
         padding="SAME")  # fmt: skip
case("BiasAdd", x(2, 3, 5), k(5))
case("BiasAdd", x(2, 3, 5, 7), k(3), data_format="NCHW", label="nchw")
case("BiasAddV1", x(2, 5), k(5))
RELU = [b"BiasAdd", b"Relu"]
case("_FusedConv2D", x(2, 5, 7, 3), k(3, 3, 3, 4), [k(4)], [], fused_ops=RELU,
     strides=[1, 1, 1, 1], padding="SAME", num_args=1)  # fmt: skip
case("_FusedConv2D", x(2, 5, 7, 3), k(3, 3, 3, 4), [k(4), k(4), k(4), k(4, low=0.5)], [],
     fused_ops=[b"FusedBatchNorm", b"Relu6"], strides=[1, 2, 2, 1], padding="SAME", num_args=4,
     epsilon=0.01, label="batch-norm")  # fmt: skip
case("_FusedDepthwiseConv2dNative", x(2, 5, 7, 3), k(3, 3, 3, 1), [k(3)],
     fused_ops=RELU, strides=[1, 1, 1, 1], padding="SAME", num_args=1, by_hand=True)  # fmt: skip
case("_FusedMatMul", x(2, 3), k(3, 5), [k(5)], fused_ops=RELU, num_args=1)

for op in ("MaxPool", "AvgPool"):
    case(op, x(2, 5, 7, 3), ksize=[1, 2, 3, 1], strides=[1, 2, 1, 1], padding="SAME")
    case(op, x(1, 5, 7, 3, unknown=[0]), ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1],
         padding="VALID")  # fmt: skip
    case(op, x(2, 3, 6, 7), ksize=[1, 1, 2, 3], strides=[1, 1, 2, 2], padding="SAME",
         is_channels_first=True, label="nchw")  # fmt: skip
    case(f"{op}3D", x(1, 5, 4, 7, 2), ksize=[1, 2, 3, 2, 1], strides=[1, 2, 1, 2, 1],
         padding="SAME")  # fmt: skip
    case(f"{op}3D", x(1, 5, 4, 7, 2), ksize=[1, 2, 3, 2, 1], strides=[1, 2, 1, 2, 1],
         padding="VALID")  # fmt: skip
case("MaxPool", x(1, 5, 7, 3), ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="EXPLICIT",
     explicit_paddings=[0, 0, 1, 1, 1, 0, 0, 0], label="explicit")  # fmt: skip
case("MaxPool", x(1, 5, 7, 4), ksize=[1, 1, 1, 2], strides=[1, 1, 1, 2], padding="VALID",
     label="channels", refused="over the batch or the channels")  # fmt: skip
case("MaxPoolV2", x(1, 5, 7, 3), k([1, 2, 2, 1]), k([1, 2, 2, 1]), padding="SAME")

NORM = (k(3), k(3), k(3), k(3, low=0.2))
for op in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"):
    case(op, x(2, 5, 7, 3), *NORM, is_training=False, epsilon=0.01, outputs=1)
case("FusedBatchNormV3", x(2, 3, 5, 7), *NORM, is_training=False, epsilon=0.01, outputs=1,
     is_channels_first=True, label="nchw")  # fmt: skip
case("FusedBatchNormV3", x(2, 5, 7, 3), *NORM, is_training=True, outputs=1, label="training",
     refused="batch normalization in training mode")  # fmt: skip
for op in ("Softmax", "LogSoftmax"):
    case(op, x(2, 7))
    case(op, x(2, 3, 5, unknown=[0]), label="unknown")
    case(op, x(5), label="vector")
case("LRN", x(1, 3, 3, 9))
case("LRN", x(1, 3, 3, 9), depth_radius=2, bias=2.0, alpha=0.5, beta=0.75, label="attributes")
case("L2Loss", x(2, 3))

case("MatMul", x(2, 3), k(3, 5))
case("MatMul", x(3, 2), k(5, 3), transpose_a=True, transpose_b=True, label="transposed")
case("MatMul", x(2, 3, unknown=[0]), x(3, 5), label="computed")
case("MatMul", x(3, 2), x(5, 3), transpose_a=True, transpose_b=True, label="computed-transposed")
case("MatMul", x(2, 3, dtype="int32"), x(3, 5, dtype="int32"), label="int32")  # fmt: skip
case("BatchMatMul", x(2, 3, 5), x(2, 5, 4))
case("BatchMatMulV2", x(2, 3, 5), x(1, 5, 4), label="broadcast")
case("BatchMatMulV2", x(2, 1, 5, 3), x(3, 4, 5), adj_x=True, adj_y=True, label="adjoint")
case("BatchMatMulV2", x(2, 3, 5), k(5, 4), label="constant")
case("BatchMatMulV3", x(2, 3, 5, unknown=[0]), x(2, 5, 4, unknown=[0]), Tout="float32")
EINSUMS = (
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("bthd,bshd->bhts", (2, 3, 2, 4), (2, 5, 2, 4)),
    ("ab,cb->ac", (2, 3), (4, 3)), ("i,j->ij", (3,), (4,)), ("...ij,jk->...ik", (2, 2, 3), (3, 4)),
    ("abc,cd->abd", (2, 3, 4), (4, 5)), ("ij,ij->", (2, 3), (2, 3)),
)  # fmt: skip
for equation, left, right in EINSUMS:
    case("Einsum", [x(*left), x(*right)], equation=equation, label=equation)
case("Einsum", [x(2, 3, 4)], equation="abc->cab", label="transpose")
case("Einsum", [x(2, 3, 4)], equation="abc->b", label="sums")
case("Einsum", [x(3, 3)], equation="ii->i", label="diagonal", refused="takes a diagonal")
case("Cross", x(2, 3), x(2, 3))
