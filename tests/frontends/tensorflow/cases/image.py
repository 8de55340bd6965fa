"""Cases of handlers/{images,quantization,signal,random}.py."""

import numpy as np

from tests.frontends.tensorflow.case import case, k, s, x

SIZES = ([5, 7], [3, 2], [11, 9], [6, 5])

for op in ("ResizeBilinear", "ResizeNearestNeighbor"):
    for size in SIZES:
        case(op, x(2, 6, 5, 3), k(size), label=f"plain-{size[0]}")
        case(op, x(2, 6, 5, 3), k(size), half_pixel_centers=True, label=f"half-{size[0]}")
        case(op, x(2, 6, 5, 3), k(size), align_corners=True, label=f"corners-{size[0]}")
    case(op, x(1, 4, 4, 1, unknown=[0]), k([8, 8]), label="unknown")
case("ResizeBilinear", x(1, 4, 4, 1, dtype="uint8", low=0, high=255), k([3, 3]), label="uint8")
case("ResizeNearestNeighbor", x(1, 4, 4, 1, dtype="uint8", low=0, high=255), k([3, 3]),
     label="uint8")  # fmt: skip
for op in ("ResizeBicubic", "ResizeArea"):
    for size in SIZES:
        case(op, x(2, 6, 5, 3), k(size), label=f"plain-{size[0]}")
        case(op, x(2, 6, 5, 3), k(size), align_corners=True, label=f"corners-{size[0]}")
for size in SIZES:
    case("ResizeBicubic", x(2, 6, 5, 3), k(size), half_pixel_centers=True, label=f"half-{size[0]}")
KERNELS = ("lanczos1", "lanczos3", "lanczos5", "gaussian", "box", "triangle", "keyscubic")
for kernel in (*KERNELS, "mitchellcubic"):
    for antialias in (True, False):
        case("ScaleAndTranslate", x(1, 9, 11, 2), k([4, 7]), k([4 / 9, 7 / 11]), k([0.0, 0.0]),
             kernel_type=kernel, antialias=antialias, label=f"{kernel}-{antialias}")  # fmt: skip
case("ScaleAndTranslate", x(1, 5, 4, 2), k([9, 9]), k(np.array([2.5, 1.5], np.float32)),
     k(np.array([-3.0, 1.5], np.float32)), kernel_type="triangle", label="moved")  # fmt: skip
BOXES = np.array([[0, 0, 1, 1], [0.1, 0.9, 0.8, 0.2], [-0.5, 0.2, 1.4, 0.6]], np.float32)
for method in ("bilinear", "nearest"):
    case("CropAndResize", x(2, 6, 5, 3), x(BOXES), x(np.array([0, 1, 1], np.int32)), k([4, 3]),
         method=method, extrapolation_value=0.5, label=method,
         tolerance=2e-5)  # fmt: skip
case("CropAndResize", x(2, 6, 5, 3), k(BOXES), k([0, 1, 1]), k([1, 1]), label="one")

CORNERS = np.array(
    [[0, 0, 4, 4], [0, 1, 4, 5], [2, 2, 6, 6], [8, 8, 9, 9], [8, 8, 9.2, 9], [1, 5, 3, 7]],
    np.float32,
)
SCORES = np.array([0.9, 0.75, 0.6, 0.95, 0.5, 0.3], np.float32)
BOXED = (x(CORNERS), x(SCORES), s(4))
case("NonMaxSuppression", *BOXED, iou_threshold=0.5)
case("NonMaxSuppressionV2", *BOXED, s(0.5))
case("NonMaxSuppressionV3", *BOXED, s(0.5), s(0.4),
     more="TensorFlow's converter leaves the padding")  # fmt: skip
case("NonMaxSuppressionV4", *BOXED, s(0.5), s(0.4), pad_to_max_output_size=True)
case("NonMaxSuppressionV4", *BOXED, s(0.5), s(0.7), label="cut", more="the padding is cut off")
case("NonMaxSuppressionV5", *BOXED, s(0.5), s(0.4), s(0.0), pad_to_max_output_size=True)
case("NonMaxSuppressionV5", *BOXED, s(0.5), s(0.1), s(0.5), label="soft",
     more="the padding is cut off")  # fmt: skip
case("ExtractImagePatches", x(1, 6, 7, 2), ksizes=[1, 2, 3, 1], strides=[1, 2, 2, 1],
     rates=[1, 1, 1, 1], padding="VALID")  # fmt: skip
case("ExtractImagePatches", x(1, 6, 7, 2), ksizes=[1, 3, 3, 1], strides=[1, 1, 2, 1],
     rates=[1, 2, 1, 1], padding="SAME", label="same")  # fmt: skip
case("AdjustContrastv2", x(2, 4, 5, 3), s(1.7))

# Values that lie on no tie of rounding.
STEPS = np.array([[-7.03, -6, -0.51, 0.013, 0.49, 3.3, 5.99, 8.2]], np.float32)
CLIPPED = "TensorFlow's converter lets a narrow range reach its lowest step"
EMPTY = "XNNPACK refuses a file that computes nothing from its inputs"
for op, ends in (("FakeQuantWithMinMaxArgs", ()), ("FakeQuantWithMinMaxVars", (s(-5.1), s(6.3)))):
    given = {} if ends else {"min": -5.1, "max": 6.3}
    case(op, x(STEPS), *ends, **given)
    case(op, x(STEPS), *ends, **given, num_bits=4, label="4-bits")
    case(op, x(STEPS), *ends, **given, num_bits=16, label="16-bits")
    case(op, x(STEPS), *ends, **given, narrow_range=True, label="narrow", more=CLIPPED)
    case(op, k(STEPS), *ends, **given, narrow_range=True, label="constant", no_litert=EMPTY)
case("FakeQuantWithMinMaxVars", x(STEPS), s(1.0), s(7.0), label="positive")
CHANNELS = k(np.array([-1.0, -2.0, -0.5], np.float32)), k(np.array([1.5, 2.5, 4.0], np.float32))
case("FakeQuantWithMinMaxVarsPerChannel", x(4, 3), *CHANNELS)
case("FakeQuantWithMinMaxVarsPerChannel", k(4, 3), *CHANNELS, narrow_range=True, label="constant",
     no_litert=EMPTY)  # fmt: skip
case("FakeQuantWithMinMaxVarsPerChannel", x(4, 3), *CHANNELS, narrow_range=True, label="narrow")
MEASURED = "TensorFlow's converter takes the range that does not count"
RANGE = (s(-5.1), s(6.3))
for op, bits in (
    ("QuantizeAndDequantizeV2", ()), ("QuantizeAndDequantizeV3", (s(8),)),
    ("QuantizeAndDequantizeV4", ()),
):  # fmt: skip
    case(op, x(STEPS), *RANGE, *bits, range_given=True)
    case(
        op,
        x(STEPS),
        *RANGE,
        *bits,
        range_given=False,
        label="measured",
        more=MEASURED if not bits else "",
    )
case("QuantizeAndDequantizeV2", x(STEPS), s(0.0), s(6.3), range_given=True, signed_input=False,
     label="unsigned")  # fmt: skip
case("QuantizeAndDequantizeV2", x(STEPS), *RANGE, range_given=True, num_bits=5, label="5-bits")
case("QuantizeAndDequantizeV4", x(4, 3), *CHANNELS, range_given=True, axis=1, label="channels",
     by_hand=True)  # fmt: skip

case("QuantizeAndDequantizeV2", x(STEPS), *RANGE, range_given=True, narrow_range=True,
     label="narrow", more=CLIPPED)  # fmt: skip
case("QuantizeAndDequantizeV2", x(STEPS), *RANGE, range_given=True, narrow_range=True, num_bits=5,
     label="narrow-5-bits", refused="use 8 bits")  # fmt: skip
case("FakeQuantWithMinMaxVars", x(STEPS), *RANGE, num_bits=5, narrow_range=True,
     label="narrow-5-bits", refused="a narrow range of 5 bits")  # fmt: skip

case("RFFT", x(2, 16), k([16]))
case("RFFT", x(2, 3, 20), k([16]), label="cut")
case("RFFT2D", x(2, 4, 8), k([4, 8]))
COMPLEX = np.array([[1 + 2j, -3 - 4j, 0.5j]], np.complex64)
for op in ("Real", "Imag", "ComplexAbs"):
    case(op, x(COMPLEX))
SEEDS = {"seed": 3, "seed2": 5}
for op in ("RandomUniform", "RandomStandardNormal"):
    case(op, k([3, 5]), dtype="float32", only_shape=True, **SEEDS)
    case(
        op,
        x(np.array([3, 5], np.int32)),
        dtype="float32",
        only_shape=True,
        label="computed",
        **SEEDS,
    )
case("RandomUniformInt", k([30]), s(2), s(9), only_shape=True, **SEEDS)
case("Multinomial", x(2, 5), s(7), only_shape=True, **SEEDS)
case("StatelessRandomUniform", k([3]), k([1, 2]), dtype="float32", refused="random numbers")
