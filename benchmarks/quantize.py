"""The table of quantization: what each recipe costs in accuracy, here and with a peer.

    python benchmarks/quantize.py [--data ../shared/data] [--litert PYTHON] [--aeq PYTHON]
        [--tensorflow PYTHON] [--model NAME ...] [--recipe NAME ...] [--count COUNT]
        [--json FILE] [--again]

Every model is quantized by every recipe with the same calibration samples and runs on the same test
samples (of which none is a calibration sample): 300, or all there are where 300 leave it to chance
whether a recipe loses a point. A line has the size, the top-1 accuracy, its
difference from float's on the same samples in points with the interval that McNemar's test does not
reject (95 %), the share of samples with the class of the float model, the mean divergence KL(float
|| quantized) of the softmax, and the time of one inference on one thread (a tenth of them are
faster); each on Edgewise and, with `--litert`, of the same file in LiteRT; with `--aeq`, of AI Edge
Quantizer's file for the same recipe in LiteRT; and with `--tensorflow`, of the file that
TensorFlow's converter makes of the source of the same weights, where there is one, with the same
calibration samples. A peer that does not do it has its reason in the line. Behind the peers stands
whether ours is worse than one of them in KL or in agreement, by more than the interval of the
difference on the same samples. `--json` keeps every recipe that is finished, with its date, so that
a run that was stopped goes on there, and `--again` measures anew what is kept;
`benchmarks/quantize_page.py` makes the page `docs/quantization_table.md` of it:

    python benchmarks/quantize.py --litert PYTHON --aeq PYTHON --tensorflow PYTHON
        --json docs/quantization_table.json
    python benchmarks/quantize_page.py
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from quantize_models import MODELS, TENSORFLOW, run
from quantize_peers import LITERT, Made, Peers

import edgewise
from edgewise.files import write_atomically
from edgewise.metrics import bootstrap, paired_difference
from edgewise.optimize import Recipe, calibrate, quantize
from edgewise.optimize.quantize import NothingToQuantize

RECIPES = (
    "float16",
    "weight_only_wi8_afp32",
    "dynamic_wi8_afp32",
    "dynamic_wi8_afp32@1024",  # weights from so many elements on, as TensorFlow's converter does
    "weight_only_wi4_afp32",
    "static_wi8_ai8",
    "static_wi8_ai16",
    "static_wi4_ai8",
    "static_wi8_au8",
    # with another technique than those of the recipe alone
    "static_wi8_ai8+activations+compensate+correct_biases",
    "static_wi4_ai8+activations+compensate+correct_biases",
    # without: samples serve for the ranges alone, or not at all
    *("weight_only_wi8_afp32+none", "dynamic_wi8_afp32+none", "weight_only_wi4_afp32+none"),
    *("static_wi8_ai8+none", "static_wi8_ai16+none", "static_wi4_ai8+none"),
)
CALIBRATION = 100
COUNT, COUNTS = 300, {"mbnet128": 400}  # test samples
Row = dict[str, object]  # a line of the table: what it is of, and a Score or a refusal


@dataclass
class Score:
    """How one file does on the test samples, against the float model."""

    bytes: int
    top1: float
    difference: tuple[float, float, float]  # points, and the ends of the interval
    agree: float
    kl: float
    ms: float

    def __str__(self) -> str:
        points, low, high = self.difference
        return (
            f"{self.bytes / 1000:8.0f} kB {self.top1:5.1f} % {points:+5.1f} [{low:.1f}, {high:.1f}]"
            f" {self.agree:5.1f} % {self.kl:9.2e} {self.ms:8.3f} ms"
        )


@dataclass
class Samples:
    """The same, sample by sample."""

    agree: np.ndarray
    kl: np.ndarray


def score(
    size: int, y: np.ndarray, ms: float, base: np.ndarray, labels: np.ndarray
) -> tuple[Score, Samples]:
    """Outputs [N, C] that are probabilities, or are made so."""
    right, was = y.argmax(1) == labels, base.argmax(1) == labels
    is_softmax = bool((base >= 0).all()) and abs(float(base.sum(1).mean()) - 1) < 0.01
    p, q = (probabilities(part, is_softmax=is_softmax) for part in (base, y))
    kl = (p * (np.log(p) - np.log(q))).sum(1)
    agree = y.argmax(1) == base.argmax(1)
    found = paired_difference(was, right)
    points = (100 * found.value, 100 * found.low, 100 * found.high)
    rates = 100 * float(right.mean()), points, 100 * float(agree.mean()), float(kl.mean())
    return Score(size, *rates, ms), Samples(agree, kl)


def behind(ours: Samples, theirs: Samples) -> list[str]:
    """In what ours is worse by more than the interval of the difference."""
    found = []
    more = bootstrap(ours.kl - theirs.kl)
    if more.low > 0:
        found.append(f"KL is higher by {more.value:.1e} [{more.low:.1e}, {more.high:.1e}]")
    less = paired_difference(theirs.agree, ours.agree)
    if less.high < 0:
        found.append(f"agreement is lower by {-100 * less.value:.1f} points")
    return found


def probabilities(y: np.ndarray, *, is_softmax: bool) -> np.ndarray:
    """Rows that sum to 1; nothing below 1e-4, which is what an int8 softmax can tell. The sum of
    one over a thousand classes is off by a tenth: what it is, is asked of the float model."""
    y = y.astype(np.float64)
    if not is_softmax:
        y = np.exp(y - y.max(1, keepdims=True))
    y = np.maximum(y, 1e-4)
    return y / y.sum(1, keepdims=True)


def measure(name: str, recipes: Sequence[str], args: argparse.Namespace) -> Iterator[list[Row]]:
    """The lines of one model, recipe by recipe, printed as they come; floats first."""
    read, samples_of = MODELS[name]
    model = read(args.data)
    calibration, x, labels = samples_of(args.data)
    count = args.count or COUNTS.get(name, COUNT)
    calibration, x, labels = calibration[:CALIBRATION], x[:count], labels[:count]
    with tempfile.TemporaryDirectory() as folder:
        peers = Peers(Path(folder), args.litert, args.aeq, args.tensorflow)
        if not model.signatures:  # AI Edge Quantizer calibrates by signature
            one = model.signature()
            model.signatures.append(replace(one, key="serving_default"))
        data = model.to_bytes()
        base, ms = run(edgewise.load(data), x)
        sys.stdout.write(f"\n{name}: {len(x)} samples\n")
        found = score(len(data), base, ms, base, labels)[0]
        yield [row(name, len(x), "float32", "edgewise", found)]
        source = args.data / TENSORFLOW[name] if name in TENSORFLOW else None
        peers.give(data, source, calibration, x, recipes)
        given = [sample[None] for sample in calibration]
        ranges = calibrate(model, given)
        for recipe in recipes:
            scheme, *techniques = recipe.split("+")
            scheme, _, least = scheme.partition("@")
            wanted = Recipe(scheme, (), int(least or 0))
            if techniques:
                wanted = wanted.with_techniques(t for t in techniques if t != "none")
            known = ranges if wanted.techniques == () else None
            try:
                made = quantize(model, wanted, known, samples=given)
            except NothingToQuantize as reason:
                why = str(reason).removeprefix(f"{model.file}: ")  # a path of this machine
                refused = Made("edgewise", refusal=why[:160])
                yield [refusal(name, len(x), recipe, refused)]
                continue
            lines: list[Row] = []
            ours: Samples | None = None
            written = made.to_bytes(target="litert-2.3")
            for by in [Made("edgewise", written), *peers.compare(recipe, written)]:
                if by.refusal:
                    lines.append(refusal(name, len(x), recipe, by))
                    continue
                y, ms = by.outputs or run(edgewise.load(by.file), x)
                found, samples = score(len(by.file), y, ms, base, labels)
                worse = [] if ours is None or by.who == LITERT else behind(ours, samples)
                lines.append(row(name, len(x), recipe, by.who, found, "; ".join(worse)))
                ours = ours or samples
            yield lines


def row(name: str, count: int, recipe: str, who: str, found: Score, worse: str = "") -> Row:
    """A line, which is printed, too. `worse`: in what ours is behind this peer."""
    said = f"  ours is behind: {worse}" if worse else ""
    sys.stdout.write(f"  {recipe:<38} {who:<12} {found}{said}\n")
    sys.stdout.flush()
    return {**_what(name, count, recipe, who), **asdict(found), "behind": worse}


def refusal(name: str, count: int, recipe: str, by: Made) -> Row:
    """A line that says why there are no figures, which is printed, too."""
    sys.stdout.write(f"  {recipe:<38} {by.who:<12} {by.refusal}\n")
    sys.stdout.flush()
    return {**_what(name, count, recipe, by.who), "refusal": by.refusal}


def _what(name: str, count: int, recipe: str, who: str) -> Row:
    date = datetime.now(UTC).date().isoformat()
    return {"model": name, "samples": count, "recipe": recipe, "by": who.strip(), "date": date}


def in_order(rows: list[Row]) -> list[Row]:
    """By model and recipe, in the order of this file; what it does not know comes last."""
    models, recipes = [*MODELS], ["float32", *RECIPES]
    known = [(models, "model"), (recipes, "recipe")]
    return sorted(
        rows,
        key=lambda r: [names.index(r[k]) if r[k] in names else len(names) for names, k in known],
    )


def main() -> None:
    """Parse the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--litert", help="a Python with ai-edge-litert")
    parser.add_argument("--aeq", help="a Python with ai-edge-quantizer")
    parser.add_argument("--tensorflow", help="a Python with tensorflow")
    parser.add_argument("--model", action="append", choices=[*MODELS])
    parser.add_argument("--recipe", action="append")
    parser.add_argument("--count", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--again", action="store_true", help="also what --json has already")
    args = parser.parse_args()
    logging.getLogger("edgewise").setLevel(logging.ERROR)
    sys.stdout.write(f"{'size':>62}   top-1  points [95 %]  agree        KL     latency\n")
    is_there = args.json is not None and args.json.exists()
    rows: list[Row] = json.loads(args.json.read_text()) if is_there else []
    for name in args.model or MODELS:
        done = {r["recipe"] for r in rows if r["model"] == name and not args.again}
        missing = [r for r in args.recipe or RECIPES if r not in done]
        for found in measure(name, missing, args) if missing else ():
            recipe = found[0]["recipe"]
            if recipe in done:  # float32 is measured each time: the others need its answers
                continue
            others = [r for r in rows if (r["model"], r["recipe"]) != (name, recipe)]
            rows = in_order(others + found)
            if args.json is not None:
                text = json.dumps(rows, indent=1) + "\n"
                write_atomically(args.json, [text.encode()], overwrite=True)


if __name__ == "__main__":
    main()
