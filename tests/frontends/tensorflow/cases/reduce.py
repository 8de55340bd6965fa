"""Cases of handlers/{reducing,ordering,matrices}.py."""

import numpy as np

from tests.frontends.tensorflow.case import case, k, s, x

for op in ("Sum", "Mean", "Prod", "Max", "Min"):
    case(op, x(2, 3, 5), k([1]))
    case(op, x(2, 3, 5, unknown=[0]), k([-1, 0]), keep_dims=True, label="keep")
    case(op, x(2, 3, 5), s(2), label="scalar")
    case(op, x(2, 3), k(np.zeros(0, np.int32)), label="none")
    case(op, x(2, 3, dtype="int32", low=1, high=4), k([1]), label="int32")
case("Sum", x(2, 3, dtype="int64"), k([0], dtype="int64"), label="int64")
case("Sum", x(2, 3, dtype="uint8", low=0, high=200), k([0]), label="uint8")
case("Sum", x(2, 3), x(np.array([1], np.int32)), label="computed")
case("Max", x(2, 3, dtype="float64"), k([1]), label="float64")
for op in ("All", "Any"):
    case(op, x(3, 2, dtype="bool"), k([1]))
    case(op, x(3, 2, dtype="bool"), k([0, 1]), keep_dims=True, label="keep")
case("EuclideanNorm", x(2, 3), k([1]), keep_dims=True)
for op in ("ArgMax", "ArgMin"):
    case(op, x(3, 5), s(1))
    case(op, x(3, 5, unknown=[0]), s(-2), output_type="int32", label="int32")
    case(op, x(3, 5, dtype="int32"), s(1), label="of-int32")
case("Cumsum", x(2, 5), s(1))
case("Cumsum", x(2, 5), s(-1), exclusive=True, reverse=True, label="exclusive-reverse")
case("Cumsum", x(5, 2, dtype="int32"), s(0), reverse=True, label="int32")
case("Cumprod", x(2, 5), s(1))
case("Cumprod", x(2, 7), s(-1), exclusive=True, reverse=True, label="exclusive-reverse")
case("Cumprod", x(1, 2), s(0), label="one")
case("Cumprod", x(5, dtype="int32", low=1, high=3), s(0), label="int32", exclusive=True)

case("TopKV2", x(3, 7), s(3))
case("TopKV2", x(7, dtype="int32"), x(np.array(2, np.int32)), label="int32")
case("TopKV2", x(2, 5), s(5), index_type="int64", label="int64")
case("Unique", x(np.array([3, 1, 3, 2, 1], np.int32)))
case("Unique", x(np.array([3, 1, 3, 2, 1], np.float32)), out_idx="int64", label="int64")
case("UniqueV2", x(np.array([3, 1, 3], np.int32)), k(np.zeros(0, np.int32)))
case("UniqueWithCounts", x(np.array([3, 1, 3, 2, 1], np.int32)))
case("UniqueWithCountsV2", x(np.array([3, 1, 3], np.int32)), k([0]))
SEGMENTS = np.array([0, 0, 1, 3, 3], np.int32)
FULL = np.array([0, 0, 1, 2, 2], np.int32)
case("SegmentSum", x(5, 3), k(SEGMENTS))
case("SegmentSum", x(5, dtype="int32"), x(FULL), label="computed")
case("SegmentMean", x(5, 3), k(SEGMENTS))
case("SegmentProd", x(5, 3), k(SEGMENTS))
case("SegmentMax", x(5, 3), k(FULL))
case("SegmentMin", x(5, 3), k(FULL))
case("SegmentMin", x(5, 3), k(SEGMENTS), label="empty")
for op in ("Sum", "Prod", "Max", "Min"):
    case(f"UnsortedSegment{op}", x(5, 3), x(np.array([2, 0, 2, 1, 0], np.int32)), s(3))
    case(f"UnsortedSegment{op}", x(5, dtype="int32"), k(np.array([2, 0, 2, 1, 0], np.int32)), s(3),
         label="int32")  # fmt: skip
case("Bucketize", x(2, 7, low=-5, high=5), boundaries=[-3.0, 0.0, 2.5])
case("Bucketize", x(7, dtype="int32"), boundaries=[-3.0, 0.0, 2.0], label="int32")
case("Bincount", x(np.array([0, 2, 2, 7], np.int32)), s(5), k(np.zeros(0, np.int32)))
case("DenseBincount", x(np.array([[0, 2, 2], [1, 1, 9]], np.int32)), s(4),
     k(np.zeros(0, np.float32)))  # fmt: skip
case("DenseBincount", x(np.array([0, 2, 2], np.int32)), s(4), x(3), label="weights")
case("DenseBincount", x(np.array([0, 2, 2], np.int32)), s(4), k(np.zeros(0, np.float32)),
     binary_output=True, label="binary")  # fmt: skip
case("InTopKV2", x(3, 5), x(np.array([0, 4, 2], np.int32)), s(2))

case("MatrixDiag", x(2, 3))
WHOLE = (s(0), s(-1), s(-1), s(0.0))
case("MatrixDiagV2", x(2, 3), *WHOLE)
case("MatrixDiagV3", x(2, 3), *WHOLE)
case("MatrixDiagV3", x(2, 3), s(1), s(-1), s(-1), s(0.0), label="above")
case("MatrixDiagV3", x(3), s(-2), s(5), s(4), s(9.0), label="padded")
for align in ("RIGHT_LEFT", "LEFT_RIGHT", "LEFT_LEFT", "RIGHT_RIGHT"):
    case("MatrixDiagV3", x(2, 3, 4), k([-1, 1]), s(4), s(4), s(0.5), align=align, label=align)
    case("MatrixDiagPartV3", x(2, 4, 5), k([-2, 1]), s(0.5), align=align, label=align)
    case("MatrixSetDiagV3", x(2, 4, 4), x(2, 3, 4), k([-1, 1]), align=align, label=align)
case("MatrixDiagPart", x(2, 3, 4))
case("MatrixDiagPartV2", x(2, 3, 4), s(1), s(0.0))
case("MatrixDiagPartV3", x(2, 3, 4), s(0), s(0.0), label="main")
case("MatrixSetDiag", x(2, 3, 4), x(2, 3))
case("MatrixSetDiagV2", x(2, 3, 4), x(2, 3), s(0))
case("MatrixSetDiagV3", x(2, 3, 4), x(2, 3), s(0))
case("MatrixBandPart", x(2, 4, 5), s(1), s(0))
case("MatrixBandPart", x(4, 5, dtype="int32"), s(-1), s(1), label="int32")
case("Diag", x(3))
case("Diag", x(2, 3), label="matrix")
case("DiagPart", x(2, 3, 2, 3))
