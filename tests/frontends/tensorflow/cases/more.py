"""Cases of handlers/{scattering,colors}.py, and operations that are rarer than their families."""

import numpy as np

from tests.frontends.tensorflow.case import case, k, s, x

case("CumulativeLogsumexp", x(2, 5), s(1))
case("CumulativeLogsumexp", x(7), s(0), reverse=True, label="reverse")
case("AccumulateNV2", [x(2, 3), x(2, 3)], shape=[2, 3])
case("ParallelConcat", [x(1, 3), x(1, 3)], shape=[2, 3], by_hand=True)
case("Empty", k([2, 3]), dtype="float32", init=True)
case("DynamicPartition", x(5, 2), x(np.array([1, 0, 1, 1, 0], np.int32)), num_partitions=2)
case("ListDiff", k([1, 2, 3, 4]), k([2, 4]))
case("ScatterNdNonAliasingAdd", x(5), k(np.array([[1], [3], [1]], np.int32)), x(3))
case("TensorStridedSliceUpdate", x(4, 5), k([1, 0]), k([3, 5]), k([1, 2]), x(2, 3))
case("TensorStridedSliceUpdate", x(4, 5), k([0, 2]), k([0, 3]), k([1, 1]), x(4), begin_mask=1,
     end_mask=1, shrink_axis_mask=2, label="column")  # fmt: skip
for op in ("DynamicStitch", "ParallelDynamicStitch"):
    case(op, [k([0, 3]), k([2, 1])], [x(2, 3), x(2, 3)])
case("DynamicStitch", [s(1), k(np.array([[0, 2], [1, 3]], np.int32))], [x(3), x(2, 2, 3)],
     label="equal", more="TensorFlow unpacks every row and packs them anew")  # fmt: skip
SEGMENTS = k(np.array([0, 0, 1, 2, 2], np.int32))
for name in ("Sum", "Prod", "Max", "Min"):
    case(f"Segment{name}V2", x(5, 3), SEGMENTS, s(3), by_hand=True)
for name in ("Sum", "Mean"):
    case(f"SparseSegment{name}", x(7, 3), x(np.array([6, 0, 2, 2, 5], np.int32)), SEGMENTS)
SORTED = np.array([[-1.0, 0.0, 0.0, 2.0], [0.0, 1.0, 2.0, 3.0]], np.float32)
SOUGHT = np.array([[0.0, -3.0, 5.0], [1.5, 0.0, 3.0]], np.float32)
for op in ("LowerBound", "UpperBound"):
    case(op, x(SORTED), x(SOUGHT))
    case(op, x(SORTED.astype(np.int32)), x(SOUGHT.astype(np.int32)), out_type="int64",
         label="int64")  # fmt: skip
PICTURE = np.random.default_rng(4).uniform(size=(2, 3, 4, 3)).astype(np.float32)
PICTURE[0, 0] = [[0, 0, 0], [1, 1, 1], [1, 0, 0], [0.2, 0.7, 0.7]]
for op in ("RGBToHSV", "HSVToRGB"):
    case(op, x(PICTURE))
case("AdjustSaturation", x(PICTURE), s(1.7))
case("AdjustHue", x(PICTURE), s(-0.3), tolerance=2e-5)
case("SoftmaxCrossEntropyWithLogits", x(3, 5), x(3, 5, low=0, high=1), outputs=1)
case("SoftmaxCrossEntropyWithLogits", x(3, 5), x(3, 5, low=0, high=1), label="gradient")
case("SparseSoftmaxCrossEntropyWithLogits", x(3, 5), x(np.array([0, 4, 2], np.int32)), outputs=1)
case("SparseSoftmaxCrossEntropyWithLogits", x(3, 5), x(np.array([0, 4, 2], np.int32)),
     label="gradient")  # fmt: skip
for op in ("ReluGrad", "EluGrad", "SoftplusGrad", "SigmoidGrad", "TanhGrad", "ReciprocalGrad",
           "InvGrad"):  # fmt: skip
    case(op, x(3, 5), x(3, 5))
case("Relu6Grad", x(3, 5), x(3, 5, low=-3, high=9))
case("LeakyReluGrad", x(3, 5), x(3, 5), alpha=0.3)
for op in ("SqrtGrad", "RsqrtGrad"):
    case(op, x(3, 5, low=0.5), x(3, 5))
case("BiasAddGrad", x(2, 3, 4, 5))
case("BiasAddGrad", x(2, 5, 3, 4), data_format="NCHW", label="channels first")
case("_FusedBatchNormEx", x(2, 3, 5, 4), k(4), k(4), k(4), k(4, low=0.2), [x(2, 3, 5, 4)],
     is_training=False, activation_mode="Relu", num_side_inputs=1, epsilon=0.01, outputs=1,
     by_hand=True)  # fmt: skip
