"""Cases of handlers/{complex,signal}.py: complex operands, results taken apart into real ones."""

import numpy as np

from tests.frontends.tensorflow.case import case, k, s, x


def z(*shape: int, **options: object):
    return x(*shape, dtype="complex64", **options)


ONLY_POWERS = "LiteRT's RFFT2D refuses lengths that are no powers of two"
WHOLE_MUL = "MUL is the only operator of LiteRT that computes with complex numbers"
SPECTRUM = np.random.default_rng(3).normal(size=(2, 3, 9, 2)).astype(np.float32)
SPECTRUM = SPECTRUM[..., 0] + 1j * SPECTRUM[..., 1]

case("IRFFT", x(SPECTRUM), k([16]))
case("IRFFT", x(SPECTRUM), k([9]), label="odd")
case("IRFFT", x(SPECTRUM), k([5]), label="cut")
case("Angle", x(SPECTRUM))
for length in (1, 7, 12, 128):
    case("FFT", z(2, length), in_parts=True, label=f"of_{length}", tolerance=2e-5)
    case("IFFT", z(2, length), in_parts=True, label=f"of_{length}")
case("FFT", k(SPECTRUM.astype(np.complex64)), in_parts=True, label="constant")
case("FFT2D", z(2, 3, 8), in_parts=True)
case("IFFT2D", z(5, 6), in_parts=True)
case("FFT3D", z(2, 2, 3, 4), in_parts=True)
case("IFFT3D", z(3, 1, 4), in_parts=True)
case("RFFT", x(2, 12), k([12]), in_parts=True, label="of_12")
case("RFFT", x(2, 12), k([9]), in_parts=True, label="cut_to_9")
case("RFFT3D", x(2, 4, 4), k([4, 4, 4]), refused="an axis of 2 elements for a transform of 4",
     label="short")  # fmt: skip
case("RFFT2D", x(2, 4, 6), k([4, 6]), in_parts=True, label="of_6", more=ONLY_POWERS)
case("RFFT2D", x(2, 5, 6), k([3, 5]), in_parts=True, label="resized", more=ONLY_POWERS)
case("RFFT3D", x(2, 3, 4, 5), k([3, 4, 5]), in_parts=True)
case("RFFT3D", x(3, 4, 5), k([2, 3, 4]), in_parts=True, label="resized")
case("IRFFT2D", z(2, 4, 5), k([4, 8]))
case("IRFFT2D", z(2, 4, 5), k([3, 7]), label="resized")
case("IRFFT3D", z(2, 3, 5), k([2, 3, 8]))
case("Complex", x(2, 3), x(3), in_parts=True)
case("Complex", x(3), x(2, 1), in_parts=True, label="both_broadcast")
case("Square", z(2, 3), in_parts=True, label="complex", more=WHOLE_MUL)
for op in ("Conj", "Reciprocal", "Inv", "Exp", "Log", "Sqrt", "Neg"):
    case(op, z(2, 3, low=0.2), in_parts=True, label="complex")
case("Log", z(2, 3), in_parts=True, label="any_angle")
case("Mul", z(2, 3), z(3), in_parts=True, label="complex", more=WHOLE_MUL)
for op in ("Add", "AddV2", "Sub", "RealDiv", "Div"):
    case(op, z(2, 3, low=0.3), z(3, low=0.3), in_parts=True, label="complex")
case(
    "Mul",
    z(2, 3),
    k(np.array([1 + 2j, 0, -1j], np.complex64)),
    in_parts=True,
    label="by_complex",
    more=WHOLE_MUL,
)
case("AddN", [z(2, 3), z(2, 3), z(2, 3)], in_parts=True, label="complex")
case("Sum", z(2, 3, 4), k([0, 2]), in_parts=True, label="complex")
case("Mean", z(2, 3), k([1]), keep_dims=True, in_parts=True, label="complex")
case("Cumsum", z(2, 3), s(1), in_parts=True, label="complex")
case("Cast", z(2, 3), DstT="float32", label="complex_to_real")
case("MatMul", z(2, 3), z(4, 3), transpose_b=True, in_parts=True, label="complex")
case("BatchMatMulV2", z(5, 3, 2), z(5, 3, 4), adj_x=True, in_parts=True, label="complex")
case("Einsum", [z(2, 3), z(3, 4)], equation="ij,jk->ki", in_parts=True, label="complex")
case("Einsum", [z(2, 3)], equation="ij->ji", in_parts=True, label="one_complex")
case("Transpose", z(2, 3, 4), k([2, 0, 1]), in_parts=True, label="complex")
case("Squeeze", z(2, 1, 4), axis=[1], in_parts=True, label="complex")
case("BroadcastTo", z(1, 4), k([3, 4]), in_parts=True, label="complex")
case("Tile", z(1, 4), k([3, 2]), in_parts=True, label="complex")
case("Pad", z(2, 4), k([[0, 1], [2, 0]]), in_parts=True, label="complex")
case("PadV2", z(2, 4), k([[0, 1], [2, 0]]), k(np.array(1 - 2j, np.complex64)), in_parts=True,
     label="complex")  # fmt: skip
case("MirrorPad", z(2, 4), k([[0, 1], [2, 0]]), mode="REFLECT", in_parts=True, label="complex")
case("ConcatV2", [z(2, 3), z(2, 4)], s(1), in_parts=True, label="complex")
case("Pack", [z(2, 3), z(2, 3)], axis=1, in_parts=True, label="complex")
case("Unpack", z(2, 3), num=2, axis=0, in_parts=True, label="complex")
case("Split", s(1), z(2, 4), num_split=2, in_parts=True, label="complex")
case("SplitV", z(2, 4), k([1, 3]), s(1), num_split=2, in_parts=True, label="complex")
case("ReverseV2", z(2, 4), k([1]), in_parts=True, label="complex")
case("Roll", z(2, 4), k([1]), k([1]), in_parts=True, label="complex")
case("Slice", z(2, 4), k([0, 1]), k([2, 2]), in_parts=True, label="complex")
case("StridedSlice", z(2, 4), k([0, 3]), k([2, 0]), k([1, -2]), in_parts=True, label="complex")
case("GatherV2", z(5, 4), k([3, 0]), s(0), in_parts=True, label="complex")
case("GatherNd", z(5, 4), k([[3, 0]]), in_parts=True, label="complex")
case("Select", x(2, 3, dtype="bool"), z(2, 3), z(2, 3), in_parts=True, label="complex")
case("SelectV2", x(3, dtype="bool"), z(2, 3), z(2, 3), in_parts=True, label="complex")
case("ZerosLike", z(2, 3), in_parts=True, label="complex")
case("MatrixDiagPart", z(3, 3), in_parts=True, label="complex")
case("Tanh", z(2, 3), refused="of complex numbers; compute with their parts", in_parts=True,
     label="complex")  # fmt: skip
case("Fill", k([2, 3]), x(np.array(1 - 2j, np.complex64)), in_parts=True, label="complex")
case("EnsureShape", z(2, 3), shape=[2, None], in_parts=True, label="complex")
for op in ("Reshape", "ExpandDims"):
    case(op, z(2, 3), k([6, 1]) if op == "Reshape" else s(1), in_parts=True, label="complex")
