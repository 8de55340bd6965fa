"""Cases of handlers/{shapes,joining,slicing}.py."""

import numpy as np

from tests.frontends.tensorflow.case import case, k, s, x

case("Reshape", x(2, 3, 4), k([4, -1]))
case("Reshape", x(2, 3, 4, unknown=[0]), k([-1, 12]), label="unknown")
case("Reshape", x(2, 3), x(np.array([3, 2], np.int32)), label="computed")
case("Reshape", x(2, 3, dtype="int64"), k([6], dtype="int64"), label="int64")
case("Reshape", x(1), k(np.zeros(0, np.int32)), label="scalar")
case("Squeeze", x(1, 3, 1, 5))
case("Squeeze", x(1, 3, 1, 5), axis=[-2], label="axis")
case("Squeeze", x(2, 3, 1, unknown=[0]), axis=[2], label="unknown")
case("ExpandDims", x(2, 3), s(-1))
case("ExpandDims", x(2, 3, unknown=[0]), s(1), label="unknown")
case("Transpose", x(2, 3, 4), k([2, 0, 1]))
case("Transpose", x(2, 3, 4, 1, 2, dtype="int32", unknown=[0]), k([4, 2, 0, 1, 3]), label="rank-5")
case("Transpose", x(2, 3, 4), x(np.array([2, 0, 1], np.int32)), label="computed")
case("Shape", x(2, 3))
case("Shape", x(2, 3, unknown=[0]), label="unknown")
case("Shape", x(2, 3, unknown=[0]), out_type="int64", label="int64")
case("ShapeN", [x(2, 3, unknown=[0]), x(4)], label="unknown")
case("Size", x(2, 3))
case("Size", x(2, 3, unknown=[0]), label="unknown")
case("Rank", x(2, 3, unknown=[0]))
case("BroadcastTo", x(3, 1), k([2, 3, 4]))
case("BroadcastTo", x(3, 1), x(np.array([2, 3, 4], np.int32)), label="computed")
case("Tile", x(2, 3), k([2, 1]))
case("Tile", x(2, 3, dtype="int32"), x(np.array([1, 3], np.int32)), label="computed")
case("Fill", k([2, 3]), x(np.array(2.5, np.float32)))
case("Fill", x(np.array([2, 3], np.int32)), s(7), label="computed")
case("Range", s(1), x(np.array(9, np.int32)), s(3))
case("Range", s(1.0), s(2.0), s(0.25), label="float")
case("LinSpace", x(np.array(-1.5, np.float32)), s(2.0), s(7))
case("LinSpace", x(np.array(-1.5, np.float32)), s(2.0), s(1), label="one")
PADS = np.array([[1, 0], [0, 2]], np.int32)
case("Pad", x(2, 3), k(PADS))
case("Pad", x(2, 3, dtype="int32"), k(PADS), label="int32")
case("Pad", x(2, 3, unknown=[0]), x(PADS), label="computed")
case("PadV2", x(2, 3), k(PADS), s(-1.5))
case("PadV2", x(2, 3), k(PADS), s(0.0), label="zero")
case("MirrorPad", x(3, 4), k(PADS), mode="REFLECT")
case("MirrorPad", x(3, 4), k(PADS), mode="SYMMETRIC")
case("EnsureShape", x(2, 3, unknown=[0]), shape=[2, 3])
case("DataFormatVecPermute", x(np.array([2, 5, 7, 3], np.int32)))
case("DataFormatDimMap", x(np.array([0, 1, 2, 3, -1], np.int32)))

case("ConcatV2", [x(2, 3), x(2, 1), x(2, 4)], s(-1))
case("ConcatV2", [x(2, 3, unknown=[0]), x(1, 3)], s(0), label="unknown")
case("ConcatV2", [x(2, dtype="int32"), x(3, dtype="int32")], s(0), label="int32")
case("Concat", s(1), [x(2, 3), x(2, 1)])
case("ConcatOffset", s(1), [k([2, 3]), k([2, 5])])
case("Pack", [x(2, 3), x(2, 3)], axis=-1)
case("Pack", [x(3, dtype="int64"), x(3, dtype="int64")], axis=0, label="int64")
case("Pack", [x(2, 3)], axis=1, label="one")
case("Unpack", x(2, 3), num=3, axis=-1)
case("Unpack", x(3, 2, dtype="int32"), num=3, label="int32")
case("Split", s(-1), x(2, 6), num_split=3)
case("Split", s(0), x(4, 3, dtype="int32"), num_split=2, label="int32")
case("SplitV", x(2, 7), k([2, -1, 1]), s(1), num_split=3)
case("ReverseV2", x(2, 3, 4), k([1]))
case("ReverseV2", x(2, 3, 4), k([-1, 0]), label="two",
     more="LiteRT takes neighbouring axes only and refuses TensorFlow's file")  # fmt: skip
case("ReverseV2", x(2, 3, 4, dtype="int32"), k([0, 1]), label="neighbours")
case("ReverseV2", x(2, 3), k(np.zeros(0, np.int32)), label="none")
case("ReverseSequence", x(3, 5, 2), k([1, 5, 3]), seq_dim=1, batch_dim=0)
case("ReverseSequence", x(5, 3, 2, dtype="int32"), k([0, 5, 2], dtype="int64"), seq_dim=0,
     batch_dim=1, label="int64")  # fmt: skip
case("Roll", x(3, 5), k([2, -1]), k([1, 0]))
case("Roll", x(7), s(-3), s(0), label="vector")
case("Roll", x(4, 3, unknown=[0]), s(1), s(0), label="unknown")
RANK = "LiteRT wants an axis behind those of the block and refuses TensorFlow's file"
SQUARE = np.array([[0, 1], [1, 1]], np.int32)
case("SpaceToBatchND", x(1, 3, 4, 2), k([2, 2]), k(SQUARE))
case("SpaceToBatchND", x(2, 4, 3), k([2]), k(np.zeros((1, 2), np.int32)), label="rank-3")
case("SpaceToBatchND", x(1, 3, 4), k([2, 2]), k(SQUARE), label="no-channels", more=RANK)
case("SpaceToBatchND", x(1, 4, 4, 2, 3, 2), k([2, 2, 1]), k(np.zeros((3, 2), np.int32)),
     label="rank-6")  # fmt: skip
case("BatchToSpaceND", x(8, 3, 2, 1), k([2, 2]), k(np.array([[0, 1], [1, 0]], np.int32)))
case("BatchToSpaceND", x(8, 3, 2), k([2, 2]), k(np.array([[0, 1], [1, 0]], np.int32)),
     label="no-channels", more=RANK)  # fmt: skip
case("SpaceToBatch", x(1, 4, 4, 3), k(np.zeros((2, 2), np.int32)), block_size=2)
case("BatchToSpace", x(4, 2, 2, 3), k(np.zeros((2, 2), np.int32)), block_size=2)
case("SpaceToDepth", x(2, 4, 6, 3), block_size=2)
case("DepthToSpace", x(2, 3, 2, 12), block_size=2)
case("SpaceToDepth", x(2, 3, 4, 6), block_size=2, is_channels_first=True, label="nchw")
case("DepthToSpace", x(2, 8, 2, 3), block_size=2, is_channels_first=True, label="nchw")

case("Slice", x(4, 5), k([1, 2]), k([2, -1]))
case("Slice", x(4, 5, dtype="int64", unknown=[0]), k([1, 0]), k([-1, 3]), label="unknown")
case("Slice", x(4, 5), x(np.array([1, 2], np.int32)), k([2, 3]), label="computed")


def strided(begin, end, strides, shape=(4, 5, 6), label="", **options):
    """A StridedSlice with constant bounds."""
    unknown = options.pop("unknown", ())
    case("StridedSlice", x(*shape, unknown=unknown), k(begin), k(end), k(strides), label=label,
         **options)  # fmt: skip


strided([1, 0, -1], [3, 5, -5], [1, 2, -2], label="strides")
strided([1, 2], [3, 4], [1, 1], label="short")
strided([1, 9, 0], [3, 1, 6], [1, -1, 1], begin_mask=2, end_mask=1, label="begin-end")
strided([1, 2, 0], [2, 3, 0], [1, 1, 1], shrink_axis_mask=3, end_mask=4, label="shrink")
strided([-1], [0], [1], shrink_axis_mask=1, label="last")
strided(
    [0, 0, 1], [0, 0, 3], [1, 1, 1], ellipsis_mask=1, begin_mask=2, end_mask=2, label="ellipsis"
)
strided([0, 0, 1, 0], [4, 0, 2, 0], [1, 1, 1, 1], new_axis_mask=2, shrink_axis_mask=4,
        end_mask=8, label="new-axis")  # fmt: skip
strided([0, 0, 0, 2], [0, 0, 0, 3], [1, 1, 1, 1], ellipsis_mask=2, new_axis_mask=5,
        shrink_axis_mask=8, label="all")  # fmt: skip
strided([0, 0], [0, 0], [1, 1], new_axis_mask=3, label="only-new")
strided([1, 0], [0, 2], [1, 1], end_mask=1, unknown=[0], label="unknown")
case("StridedSlice", x(4, 5), x(np.array([1], np.int32)), x(np.array([3], np.int32)), k([1]),
     label="computed")  # fmt: skip
case("StridedSlice", x(4, 5), x(np.array([1], np.int32)), x(np.array([2], np.int32)), k([1]),
     shrink_axis_mask=1, label="computed-index")  # fmt: skip
case("Gather", x(4, 3), x(np.array([[0, 3], [1, 1]], np.int32)))
case("GatherV2", x(4, 3), x(np.array([2, 0], np.int32)), s(1))
case("GatherV2", x(2, 5, 3), x(np.array([[4, 0], [1, 1]], np.int64)), s(1), batch_dims=1,
     label="batch")  # fmt: skip
case("GatherV2", x(2, 5, dtype="int32"), x(np.array(1, np.int32)), s(-1), label="scalar")
case("GatherNd", x(4, 3, 2), x(np.array([[0, 1], [3, 2]], np.int32)))
case("GatherNd", x(4, 3, dtype="int32"), x(np.array([[[2]], [[0]]], np.int64)), label="rows")
INDEX = np.array([[4], [1], [6]], np.int32)
case("ScatterNd", x(INDEX), x(3), k([8]))
case("ScatterNd", k(np.array([[0, 1], [2, 0], [0, 1]], np.int32)), x(3, 2, dtype="int32"),
     k([3, 2, 2]), label="equal")  # fmt: skip
for op in ("TensorScatterUpdate", "TensorScatterAdd", "TensorScatterSub"):
    case(op, x(8), k(INDEX), x(3))
    case(op, x(7, 2), x(INDEX), x(3, 2), label="rows")
case("TensorScatterAdd", x(8), k(np.array([[1], [1], [2]], np.int32)), x(3), label="equal")
case("TensorScatterUpdate", x(8), k(np.array([[1], [1], [2]], np.int32)), x(3), label="equal",
     refused="writes to one place twice")  # fmt: skip
for op in ("TensorScatterMax", "TensorScatterMin"):
    case(op, x(8), k(INDEX), x(3))
case("SparseToDense", x(np.array([[0, 1], [2, 3]], np.int32)), k([3, 4]), x(2), s(-1.0))
case("SparseToDense", k([1, 3], dtype="int64"), k([5], dtype="int64"), x(2, dtype="int32"), s(0),
     label="vector")  # fmt: skip
case("OneHot", x(np.array([[0, 2], [-1, 5]], np.int32)), s(4), s(1.5), s(-0.5))
case("OneHot", x(np.array([0, 2], np.int64)), s(3), s(1), s(0), axis=0, label="int64")
case("OneHot", x(np.array([0, 2], np.uint8)), s(3), s(True), s(False), label="uint8")  # fmt: skip
case("Where", x(np.array([[True, False], [True, True]])))
case("Where", x(np.array([0.0, 2.0, -1.0], np.float32)), label="float")
case("Select", x(2, 3, dtype="bool"), x(2, 3), x(2, 3))
case("Select", x(2, dtype="bool"), x(2, 3), x(2, 3), label="vector")
case("Select", x(np.array(True)), x(2, 3), x(2, 3), label="scalar")
case("SelectV2", x(2, 1, dtype="bool"), x(3), x(1, 3))
case("SelectV2", x(3, dtype="bool"), x(3, dtype="int32"), s(0), label="int32")
case("XlaDynamicUpdateSlice", x(4, 5), x(2, 3), x(np.array([1, 2], np.int32)), by_hand=True)
case("XlaDynamicSlice", x(4, 5), x(np.array([3, 1], np.int32)), k([2, 3]), by_hand=True)
case("InvertPermutation", x(np.array([2, 0, 3, 1], np.int32)))
