"""Operators on text: SKIP_GRAM. What else takes strings takes them like any other element."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Shape, unknown_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, require

_SPACES = b" \t\n\v\f\r"
_MOST_GRAMS = 1 << 20  # of one text: a few words more would be years


class SkipGram(Op, builtin="SKIP_GRAM", options="SkipGramOptions"):
    """Every choice of `ngram_size` words of a text, in their order, with at most `max_skip_size`
    words left out between two neighbours, joined by spaces; with `include_all_ngrams` the
    shorter ones, too.

    Shapes: x one string or more, of which the first counts; y [N], which depends on the text. A
    text of fewer words than `ngram_size` has none. Words are split as LiteRT splits them: the first
    one after leading white space is lost, and a text that is one space is a word.
    **Source:** TensorFlow Lite kernels/skip_gram.cc.
    """

    ngram_size: int = 0
    max_skip_size: int = 0
    include_all_ngrams: bool = False

    operands = (In("x", {DType.STRING}),)
    results = (Out("y"),)
    quantization = NotQuantized()

    def infer(self, x: Operand) -> Shape:
        require(
            self.ngram_size >= 1 and self.max_skip_size >= 0,
            "ngram_size must be at least 1 and max_skip_size at least 0; "
            f"got {self.ngram_size} and {self.max_skip_size}",
        )
        require(0 not in x.shape, f"x must hold a text; got {list(x.shape)}")
        return (unknown_dim(),)

    def reference(self, x: np.ndarray) -> np.ndarray:
        words = list(_words(x.reshape(-1)[0]))
        found: list[bytes] = []
        if len(words) >= self.ngram_size:
            for chosen in self._choices(len(words)):
                require(len(found) < _MOST_GRAMS, f"a text has at most {_MOST_GRAMS} skip-grams")
                found.append(b" ".join([words[i] for i in chosen]))
        y = np.empty(len(found), object)
        y[:] = found
        return y

    def _choices(self, count: int) -> Iterator[Sequence[int]]:
        """Which words, by number: the longest that begin with the same ones first."""
        chosen: list[int] = []
        word, last = 0, count - 1  # the next word to choose and the last that may be
        while True:
            # without the shorter ones, a beginning that cannot be finished is not begun
            left = 1 if self.include_all_ngrams else self.ngram_size - len(chosen)
            if len(chosen) < self.ngram_size and word <= last and word + left <= count:
                chosen.append(word)
                word, last = word + 1, min(word + 1 + self.max_skip_size, count - 1)
                continue
            if not chosen:
                return
            if self.include_all_ngrams or len(chosen) == self.ngram_size:
                yield chosen
            word = chosen.pop() + 1
            last = min(chosen[-1] + 1 + self.max_skip_size, count - 1) if chosen else count - 1


def _words(text: bytes) -> Iterator[bytes]:
    start = 0
    for place in range(1, len(text)):
        if text[place] in _SPACES:
            if place > start and text[start] not in _SPACES:
                yield text[start:place]
            start = place + 1
    if len(text) > start:
        yield text[start:]
