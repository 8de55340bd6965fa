"""What LiteRT says about the cases of `wide.py`: `answers/wide.npz`.

Few bytes per case. Where LiteRT's outputs were ours bit for bit and are exact on every machine
(integers, or an operator without tolerance), their digest is kept, as of strings and bfloat16
always; else `SAMPLE` values of each output. A case is found by its digest (`litert.prepare`).

    digests [N] S16; outcomes [N, 2] int16, by resolver: -1 ran, else the place in `refusals`;
    exact [N, 2] S12: digest of the outputs, "" where refused or sampled, "default": as there;
    about: JSON as uint8: versions, refusals, and of each sample, in order, row, resolver, dtype and
    shape; samples: their bytes
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.ir import Op
from tests.ops.litert import RESOLVERS, CaseAnswer

FILE = Path(__file__).with_name("answers") / "wide.npz"
SAMPLE = 96  # values of an output


@dataclass(frozen=True, slots=True)
class Sample:
    """Some elements of an array, evenly spread, and its shape."""

    shape: tuple[int, ...]
    values: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray) -> Sample:
        """All elements of a small array."""
        places = np.linspace(0, max(array.size - 1, 0), min(array.size, SAMPLE)).astype(np.int64)
        return cls(array.shape, array.reshape(-1)[places])


@dataclass(frozen=True, slots=True)
class WideAnswer:
    """By resolver: None or a refusal; samples of the outputs, or the digest of the outputs."""

    errors: dict[str, str | None]
    samples: dict[str, list[Sample]]
    exact: dict[str, str]


def digest(outputs: Sequence[np.ndarray]) -> str:
    """What tells outputs from others: shapes, types and bits. Zeros and NaNs have one form."""
    hashed = hashlib.sha256()
    for y in outputs:
        hashed.update(repr((y.shape, y.dtype.str if y.dtype != object else "O")).encode())
        hashed.update(repr(y.tolist()).encode() if y.dtype == object else _plain(y).tobytes())
    return hashed.hexdigest()[:12]


def is_exact(op: Op, outputs: Sequence[np.ndarray]) -> bool:
    """Our outputs have the same bits on every machine."""
    return op.tolerance == 0 or all(y.dtype.kind in "biuSO" for y in outputs)


def reduced(answer: CaseAnswer, ours: Sequence[np.ndarray], op: Op) -> WideAnswer:
    """An answer in as few bytes as it can be kept in."""
    samples: dict[str, list[Sample]] = {}
    exact: dict[str, str] = {}
    for resolver in RESOLVERS:
        theirs = answer.outputs[resolver]
        same = is_exact(op, ours) and digest(theirs) == digest(ours)
        unkept = any(y.dtype.kind in "OSV" for y in theirs)  # not what NumPy's files hold
        only_digest = answer.errors[resolver] is None and (same or unkept)
        exact[resolver] = digest(theirs) if only_digest else ""
        samples[resolver] = [] if only_digest else [Sample.of(y) for y in theirs]
    return WideAnswer({r: _brief(e) for r, e in answer.errors.items()}, samples, exact)


def store(answers: Mapping[str, WideAnswer], versions: dict[str, str]) -> None:
    """Write answers by the digests of their cases."""
    texts: dict[str, int] = {}
    outcomes = np.full((len(answers), 2), -1, np.int16)
    exact = np.zeros((len(answers), 2), "S12")
    listed: list[tuple[int, int, str, list[int]]] = []
    blob: list[bytes] = []
    for row, (_, answer) in enumerate(sorted(answers.items())):
        for column, resolver in enumerate(RESOLVERS):
            error, found = answer.errors[resolver], answer.samples[resolver]
            exact[row, column] = answer.exact[resolver].encode()
            if error is not None:
                outcomes[row, column] = texts.setdefault(error, len(texts))
            elif column and found and _same(found, answer.samples["default"]):
                exact[row, column] = b"default"
            else:
                for sample in found:
                    listed.append((row, column, sample.values.dtype.str, list(sample.shape)))
                    blob.append(sample.values.tobytes())
    about = {"versions": versions, "refusals": list(texts), "samples": listed}
    np.savez_compressed(
        FILE,
        allow_pickle=False,
        digests=np.array(sorted(answers), "S16"),
        outcomes=outcomes,
        exact=exact,
        about=np.frombuffer(json.dumps(about).encode(), np.uint8),
        samples=np.frombuffer(b"".join(blob), np.uint8),
    )


def stored(name: str) -> WideAnswer:
    """The answer about the case with this digest. Raises KeyError where there is none."""
    rows, arrays, about, samples = _loaded()
    row = rows[name]
    errors: dict[str, str | None] = {}
    found: dict[str, list[Sample]] = {}
    exact: dict[str, str] = {}
    for column, resolver in enumerate(RESOLVERS):
        place = int(arrays["outcomes"][row, column])
        errors[resolver] = about["refusals"][place] if place >= 0 else None
        code = arrays["exact"][row, column].decode()
        exact[resolver] = "" if code == "default" else code
        found[resolver] = samples.get((row, 0 if code == "default" else column), [])
    return WideAnswer(errors, found, exact)


@cache
def _loaded() -> tuple[
    dict[str, int], dict[str, np.ndarray], dict[str, Any], dict[tuple[int, int], list[Sample]]
]:
    with np.load(FILE) as archive:
        arrays = {key: archive[key] for key in archive.files}
    rows = {name.decode(): row for row, name in enumerate(arrays["digests"])}
    about = json.loads(arrays["about"].tobytes())
    samples: dict[tuple[int, int], list[Sample]] = {}
    at = 0
    for row, column, dtype, shape in about["samples"]:
        count = min(int(np.prod(shape)), SAMPLE)
        end = at + count * np.dtype(dtype).itemsize
        values = np.frombuffer(arrays["samples"][at:end].tobytes(), dtype)
        samples.setdefault((row, column), []).append(Sample(tuple(shape), values))
        at = end
    return rows, arrays, about, samples


def _same(a: Sequence[Sample], b: Sequence[Sample]) -> bool:
    return digest([s.values for s in a]) == digest([s.values for s in b])


def _brief(error: str | None) -> str | None:
    """The first sentence of a refusal, without addresses."""
    if error is None or error.startswith("aborted"):
        return error and "aborted"
    return error.splitlines()[0][:120].split("Node number")[0].strip()


def _plain(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fc" and array.dtype.name != "bfloat16":
        return np.ascontiguousarray(array)
    with np.errstate(invalid="ignore"):  # of a NaN that signals
        plain = np.where(array == 0, np.zeros((), array.dtype), array)
    return np.where(np.isnan(plain), np.full((), np.nan, array.dtype), plain)
