"""Every error Edgewise raises on purpose.

A message has the form *where* · *the rule* · *what was found* · *what to do*, for example
``conv_2d 'block1/conv': input channels must be a multiple of filter channels; got 30 and 8.
Check groups=.`` Problems of one kind are reported together, not one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable


class EdgewiseError(Exception):
    """Base of all errors raised on purpose; the command line prints it without a traceback."""


class FormatError(EdgewiseError, ValueError):
    """Bytes that are not what they claim to be. Gives the file and the byte offset."""

    def __init__(self, rule: str, *, file: str = "model", offset: int | None = None) -> None:
        self.file, self.offset, self.rule = file, offset, rule
        super().__init__(f"{file}{'' if offset is None else f' at byte {offset}'}: {rule}")


class ConversionError(EdgewiseError, ValueError):
    """A source model that cannot be converted as it is; names the layer and the way out."""


class UnsupportedOp(ConversionError, NotImplementedError):
    """Operators or layers Edgewise has no definition for; lists all of them."""


class ShapeError(EdgewiseError, ValueError):
    """Shapes, dtypes or ranks that an operator does not accept."""


class QuantizationError(EdgewiseError, ValueError):
    """Quantization parameters that break an operator's rule."""


class LimitError(EdgewiseError, RuntimeError):
    """A public limit (`Limits`) was exceeded; the message names it."""


class CancelledError(EdgewiseError, RuntimeError):
    """An inference was stopped by `Interpreter.cancel`."""


class OutputError(EdgewiseError, OSError):
    """An output that cannot be written; what was there is unchanged."""


class InputError(EdgewiseError, ValueError):
    """Data given to a model (arrays, names, files) that does not fit its inputs."""


class MissingExtra(EdgewiseError, ImportError):
    """An optional dependency is not installed; the message names the extra that has it."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs an extra: pip install 'edgewise[{extra}]'")


class InternalError(EdgewiseError, AssertionError):
    """An invariant of ours is broken: a bug in Edgewise, please report it with the model."""


def listing(problems: Iterable[str], what: str, *, most: int | None = None) -> str:
    """One message for several problems: `3 operators are not supported:` and a line for each.

    `[s]` in `what` stands for an s where there are several. With `most`, so many of them,
    shortened: where a hostile file can have any number of them.
    """
    lines = list(problems)
    shown = lines if most is None else [line[:300] for line in lines[:most]]
    if len(shown) < len(lines):
        shown.append(f"and {len(lines) - len(shown)} more")
    what = what.replace("[s]", "" if len(lines) == 1 else "s")
    return f"{len(lines)} {what}:" + "".join(f"\n  - {line}" for line in shown)
