"""Cases of handlers/{special,taps,detection}.py and of rarer operations of other families."""

import numpy as np

from tests.frontends.tensorflow.case import case, k, s, x

case("Lgamma", x([0.001, 0.3, 0.5, 1.0, 1.5, 2.0, 7.7, 30.0, 2e3, -0.3, -7.4, -2.0, np.inf]),
     tolerance=2e-6)  # fmt: skip
case("Digamma", x([[0.01, 0.3, 0.5, 1.0, 1.5, 7.7, 2e3], [-0.3, -7.4, -2.6, 1.0, 2.0, 3.0, 4.0]]),
     tolerance=2e-6)  # fmt: skip
case("Erfinv", x([-1.0, 1.0, 0.0, 1e-7, 0.5, -0.7, 0.9999, -0.99999]), tolerance=2e-6)
case("Ndtri", x([0.0, 1.0, 0.5, 1e-20, 1e-6, 0.1, 0.7, 0.99999]), tolerance=2e-6)
PLACES = {"ksize": [1, 2, 3, 1], "strides": [1, 2, 1, 1]}
case("MaxPoolWithArgmax", x(2, 5, 6, 3), padding="VALID", **PLACES)
case("MaxPoolWithArgmax", x(2, 5, 6, 3), padding="SAME", label="same", **PLACES)
case("MaxPoolWithArgmax", x(2, 5, 6, 1), padding="SAME", Targmax="int32", label="batch",
     include_batch_in_index=True, **PLACES)  # fmt: skip
case("MaxPoolWithArgmax", x(1, 4, 4, 2, low=1, high=1), padding="SAME", label="equal", **PLACES)
for padding in ("SAME", "VALID"):
    case("Dilation2D", x(2, 6, 7, 3), k(3, 2, 3), strides=[1, 1, 2, 1], rates=[1, 2, 1, 1],
         padding=padding, label=padding.lower())  # fmt: skip
case("Dilation2D", x(2, 6, 7, 3), x(3, 2, 3), strides=[1, 1, 1, 1], rates=[1, 1, 1, 1],
     padding="SAME", label="computed", refused="its filter is computed")  # fmt: skip
case("ExtractVolumePatches", x(1, 4, 5, 6, 2), ksizes=[1, 2, 3, 2, 1], strides=[1, 1, 2, 2, 1],
     padding="SAME")  # fmt: skip
case("Conv", x(2, 5, 6, 3), k(3, 3, 3, 4), strides=[1, 2, 2, 1], padding="SAME")
case("Conv", x(2, 4, 5, 6, 3), k(2, 3, 3, 3, 2), strides=[1, 1, 2, 1, 1], padding="VALID",
     label="3d")  # fmt: skip
case("FusedPadConv2D", x(1, 5, 6, 3), k([[0, 0], [1, 2], [2, 1], [0, 0]]), k(3, 3, 3, 4),
     mode="REFLECT", strides=[1, 2, 2, 1], padding="VALID")  # fmt: skip
case("FusedResizeAndPadConv2D", x(1, 5, 6, 3), k([7, 9]), k([[0, 0], [1, 2], [2, 1], [0, 0]]),
     k(3, 3, 3, 4), mode="SYMMETRIC", strides=[1, 1, 1, 1], padding="VALID",
     resize_align_corners=True)  # fmt: skip

RNG = np.random.default_rng(5)
CORNERS = RNG.uniform(0, 0.7, (2, 12, 2, 2)).astype(np.float32)
BOXES = np.concatenate([CORNERS, CORNERS + RNG.uniform(0.1, 0.6, CORNERS.shape)], -1)
BOXES = BOXES.astype(np.float32)
SCORES = RNG.uniform(0, 1, (2, 12, 2)).astype(np.float32)
LIMITS = (s(0.4), s(0.3))
for label, boxes, per_class, total, options in (
    ("classes", BOXES, 5, 6, {}),
    ("shared", BOXES[:, :, :1], 3, 9, {}),
    ("per_class", BOXES, 2, 9, {"pad_per_class": True}),
    ("unclipped", BOXES[:1], 12, 20, {"clip_boxes": False}),
):
    scores = SCORES[: len(boxes)]
    case("CombinedNonMaxSuppression", x(boxes), x(scores), s(per_class), s(total), *LIMITS,
         label=label, **options)  # fmt: skip

case("InTopK", x(3, 5), x(np.array([0, 4, 2], np.int32)), k=2)
case("ApproxTopK", x(3, 7), k=3)
case("ApproxTopK", x(7, 3), k=2, reduction_dimension=0, is_max_k=False, label="smallest_of_rows",
     by_hand=True)  # fmt: skip
case("NthElement", x(3, 7), s(2))
case("NthElement", x(7), s(0), reverse=True, label="largest")
case("HistogramFixedWidth", x(3, 50, low=-3, high=3), k([-2.0, 2.0]), s(7))
case("HistogramFixedWidth", x(20, dtype="int32"), k(np.array([-5, 5], np.int32)), s(4),
     dtype="int64", label="int64")  # fmt: skip
case("UnravelIndex", x(np.array([0, 7, 23, 59], np.int32)), k([3, 4, 5]))
case("UnravelIndex", x(np.array(37, np.int32)), k([3, 4, 5]), label="scalar")
GAPS = k(np.array([0, 0, 1, 4, 4], np.int32))
for name in ("Max", "Min", "Prod", "Mean"):
    case(f"Segment{name}", x(5, 3), GAPS, label="gaps")
    case(f"Segment{name}", x(5, 3), x(np.array([0, 0, 1, 4, 4], np.int32)), label="computed")
for name in ("Sum", "Mean", "SqrtN"):
    rows, ids = x(np.array([6, 0, 2, 2, 5], np.int32)), x(np.array([0, 0, 1, 3, 3], np.int32))
    case(f"SparseSegment{name}WithNumSegments", x(7, 3), rows, ids, s(6))
    case(f"SparseSegment{name}", x(7, 3), rows, x(np.array([0, 0, 1, 2, 2], np.int32)),
         label="computed")  # fmt: skip
case("TruncatedNormal", k([3, 4]), dtype="float32", only_shape=True)
case("RandomShuffle", x(5, 2), only_shape=True)
case("ConjugateTranspose", x(2, 3, 4), k([2, 0, 1]))
case("ConjugateTranspose", x(2, 3, dtype="complex64"), k([1, 0]), in_parts=True, label="complex")
case("Reverse", x(2, 3, 4), k(np.array([True, False, True])))

ROWS = {"row_partition_types": ["ROW_SPLITS"]}
SPLITS = x(np.array([0, 2, 2, 5], np.int64))
case("RaggedTensorToTensor", k(np.array([-1, -1], np.int64)), x(5), s(0.0), [SPLITS], **ROWS)
case("RaggedTensorToTensor", k(np.array([3, 2, 2], np.int64)), x(5, 2), s(-1.0), [SPLITS],
     label="cut", **ROWS)  # fmt: skip
case("RaggedTensorToTensor", k(np.array([-1, 4], np.int64)), x(5), s(7.0), [SPLITS],
     label="wide", **ROWS)  # fmt: skip
case("RaggedTensorToTensor", s(-1), x(4), x(np.array(5.0, np.float32)),
     [x(np.array(4, np.int64)), x(np.array([0, 0, 2, 3], np.int64))], label="row_numbers",
     row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"])  # fmt: skip
case(
    "RaggedTensorToTensor",
    s(-1),
    x(5),
    s(0.0),
    [x(np.array([0, 1, 3], np.int64)), SPLITS],
    row_partition_types=["ROW_SPLITS", "ROW_SPLITS"],
    label="two",
    refused="several ragged axes",
)
PLACES_OF = x(np.array([[0, 1], [0, 4], [2, 0], [3, 3]], np.int64))
case("SparseTensorDenseMatMul", PLACES_OF, x(4), k(np.array([4, 5], np.int64)), x(5, 3))
case("SparseTensorDenseMatMul", PLACES_OF, x(4), k(np.array([4, 5], np.int64)), x(3, 4),
     adjoint_a=True, adjoint_b=True, label="turned")  # fmt: skip
case("SparseMatMul", x(3, 4), k(4, 5))
case("SparseMatMul", x(4, 3), x(5, 4), transpose_a=True, transpose_b=True, a_is_sparse=True,
     label="turned")  # fmt: skip
