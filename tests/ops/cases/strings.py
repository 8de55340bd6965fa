"""Cases of ops/strings.py, and of the operators that LiteRT runs on strings, too."""

import numpy as np

from edgewise.ops.compare import Equal, NotEqual
from edgewise.ops.fill import Tile
from edgewise.ops.gather import Gather, GatherNd
from edgewise.ops.reshape import ExpandDims, Rank, Reshape, ShapeOf, Squeeze
from edgewise.ops.slice import Slice, StridedSlice
from edgewise.ops.strings import SkipGram
from tests.ops.case import Case, arg, const

# LiteRT's Python interface writes something else into an input that is one string
TEXT = np.array(b"ab", object)


def grams(text, size, skip=0, *, every=False, label="", error=""):
    op = SkipGram(ngram_size=size, max_skip_size=skip, include_all_ngrams=every)
    texts = np.array([text, None], object)[:1]
    return Case(op, (arg((1,), "string", values=texts),), label=label, error=error)


def texts(*shape):
    return arg(shape, "string")


CASES = [
    grams(b"the quick brown fox jumps", 2),
    grams(b"the quick brown fox jumps", 3, 2, label="skip"),
    grams(b"the quick brown fox jumps", 3, 1, every=True, label="all"),
    grams(b"a b", 3, label="short"),
    grams(b"  lost then\t two  spaces \n", 2, label="white"),
    grams(b" ", 1, label="space"),
    grams(b"\xc3\xa9t\xc3\xa9 \x00a z", 1, label="bytes"),
    grams(b"a b", 0, error="ngram_size must be at least 1"),
    Case(SkipGram(ngram_size=1), (arg((3,)),), error="operand 'x' must be one of string"),
    *[Case(op(), (texts(3, 5), texts(3, 5))) for op in (Equal, NotEqual)],
    *[Case(op(), (texts(3, 1), texts(5)), "broadcast") for op in (Equal, NotEqual)],
    *[Case(op(), (texts(5), const(TEXT)), "scalar") for op in (Equal, NotEqual)],
    Case(Gather(), (texts(6), const([[3, 0], [5, 5]]))),
    Case(GatherNd(), (texts(3, 4), const([[2, 3], [0, 0]]))),
    Case(GatherNd(), (texts(3, 4), const([[2], [0]])), "rows"),
    Case(Reshape(new_shape=(2, 6)), (texts(3, 4), const([2, 6]))),
    Case(ExpandDims(), (texts(3, 4), const(1))),
    Case(Squeeze(squeeze_dims=(1,)), (texts(3, 1),)),
    Case(ShapeOf(), (texts(3, 4),)),
    Case(Rank(), (texts(3, 4),)),
    Case(Slice(), (texts(3, 4), const([1, 0]), const([2, 3]))),
    Case(StridedSlice(), (texts(3, 4), const([2, 0]), const([0, 4]), const([-1, 2]))),
    Case(Tile(), (texts(2, 3), const([2, 2]))),
]
