"""Why an operation has no handler, and the way out: the sentences of the walk's report."""

from __future__ import annotations

import re

from edgewise.frontends.tensorflow.program import TFNode

_TEXT = (
    "text is not processed in a .tflite model; split and look up words before it, and export the "
    "model from its numbers on"
)
_RECORDS = (
    "files and records are not decoded in a .tflite model; decode before it, and export the model "
    "from the decoded tensor on"
)
_RANDOM = (
    "random numbers need a generator that .tflite models do not have; give them as an input, or "
    "export with training=False"
)
_GRADIENTS = "gradients are not computed at inference; export the function that only predicts"
_PYTHON = "Python code is never executed; write the function with TensorFlow operations"
_PIPELINE = "input pipelines are not part of a model; export the function that takes tensors"
_CONTROL = (
    "its control flow is not that of a loop or a condition; export with "
    "tf.compat.v1.enable_control_flow_v2()"
)
_FILES = "a .tflite model writes and reads no files; export the function that only predicts"
_OTHER = "has no handler in this version; write it with other operations"

# reason by pattern of the operation's name; the first that matches counts
_REASONS = {
    r"String.*|.*Regex.*|AsString|Substr|Unicode.*|(De|En)codeBase64": _TEXT,
    r".*Ragged.*|.*Tokenize.*": _TEXT,
    r"Lookup.*|(Mutable)?HashTable.*|Sentencepiece.*|.*NGrams.*|.*Vocab.*": _TEXT,
    r"Decode(Jpeg|Png|Gif|Bmp|Image|Wav|Raw|CSV|AndCropJpeg|JSON.*|PaddedRaw|WebP)": _RECORDS,
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
    found = (reason for pattern, reason in _REASONS.items() if re.fullmatch(pattern, node.op))
    return next(found, _OTHER)
