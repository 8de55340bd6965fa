"""Why an operation has no handler, and the way out: the sentences of the walk's report."""

from __future__ import annotations

from edgewise.frontends.reasons import reason_of
from edgewise.frontends.tensorflow.program import TFNode

_TEXT = (
    "text is not processed in a .tflite model; split and look up words before it, and export the "
    "model from its numbers on"
)
_RECORDS = (
    "files and records are not decoded in a .tflite model; decode before it, and export the model "
    "from the decoded tensor on (of a frozen graph: convert with inputs=['ITS NAME'])"
)
_RANDOM = (
    "random numbers need a generator that .tflite models do not have; give them as an input or a "
    "constant, or export with training=False"
)
_WARP = "images are not warped in a .tflite model; do it before, and export what comes after"
_GRADIENTS = (
    "this gradient is not among those that are converted; train layers before or behind it, or "
    "export the function that only predicts"
)
_PYTHON = "Python code is never executed; write the function with TensorFlow operations"
_PIPELINE = "input pipelines are not part of a model; export the function that takes tensors"
_CONTROL = (
    "its control flow is not that of a loop or a condition; export with "
    "tf.compat.v1.enable_control_flow_v2()"
)
_FILES = "a .tflite model writes and reads no files; export the function that only predicts"
_RAGGED = (
    "ragged tensors are taken apart only to become dense; call to_tensor() and mask what it adds"
)
_XLA = (
    "it holds a program of XLA's, which is not read; export from JAX with "
    "jax2tf.convert(..., native_serialization=False, enable_xla=False)"
)
_MATRIX = (
    "matrices are not decomposed or solved in a .tflite model; compute it before and give the "
    "result as an input or a constant"
)
_QUANTIZED = (
    "TensorFlow 1's quantized operations are not converted; export the float model, or the one "
    "with FakeQuant operations"
)
_TABLE = (
    "a table that changes or is read as a whole; use tf.lookup.StaticHashTable and look keys up"
)
_SPECIAL = "there is no formula for this function here; give its results as an input"

# reason by pattern of the operation's name; the first that matches counts
_REASONS = {
    r"String.*|.*Regex.*|AsString|Substr|Unicode.*|(De|En)codeBase64": _TEXT,
    r".*Tokenize.*": _TEXT,
    r".*Ragged.*": _RAGGED,
    r"XlaCallModule|Xla(Conv|Dot|Reduce|Sort|Gather|Scatter|SelectAndScatter|CustomCall).*": _XLA,
    r"(Matrix|BatchMatrix)(Inverse|Determinant|Solve|SolveLs|TriangularSolve|Exponential|Logarithm|"
    r"SquareRoot)|LogMatrixDeterminant|(Batch)?(Cholesky|Svd|SelfAdjointEig.*)|Qr|Eig|Lu|"
    r"(Banded|Tridiagonal).*": _MATRIX,
    r"(Requantize|Requantization|Quantized).*|QuantizeV2|Dequantize|QuantizeDown.*": _QUANTIZED,
    r"Uniform(Quantize|Dequantize|Requantize).*": _QUANTIZED,
    r"Anonymous.*Table.*|Mutable.*Table.*|LookupTable(Insert|Remove|Import|Export).*": _TABLE,
    r"Igamma.*|Betainc|Zeta|Polygamma|Bessel.*|Expint|Dawsn|Fresnel.*|Spence": _SPECIAL,
    r"Lookup.*|(Mutable)?HashTable.*|Sentencepiece.*|.*NGrams.*|.*Vocab.*": _TEXT,
    r"Decode(Jpeg|Png|Gif|Bmp|Image|Wav|Raw|CSV|AndCropJpeg|JSON.*|PaddedRaw|WebP)": _RECORDS,
    r"ImageProjectiveTransform.*": _WARP,
    r"Parse(Example|SingleExample|Tensor|SequenceExample).*": _RECORDS,
    r"(Stateless|Stateful)?(Random|Truncated|ParameterizedTruncated|Multinomial).*": _RANDOM,
    r"Stateless(Multinomial|Sample).*|Rng.*|.*RandomGenerator.*": _RANDOM,
    r".*Grad(V[2-4]|Grad)?|.*Backprop.*|.*Gradient.*": _GRADIENTS,
    r"(Resource)?(Sparse)?Apply.*": _GRADIENTS,
    r"(Eager)?PyFunc.*": _PYTHON,
    r".*Dataset.*|Iterator.*|.*Queue.*|.*Reader.*|MakeIterator|.*Barrier.*": _PIPELINE,
    r"(Ref)?(Switch|Merge|Enter|Exit|NextIteration)|LoopCond": _CONTROL,
    r"Save.*|Restore.*|Write.*|ReadFile|Merge.*Checkpoints|.*Summary.*|ShardedFilename": _FILES,
}


def why_not(node: TFNode) -> str:
    """The sentence for an operation that nothing handles."""
    return reason_of(node.op, _REASONS)
