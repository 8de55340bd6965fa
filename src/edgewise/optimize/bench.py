"""Where the autopilot measures: a float model, examples and a recipe in, a Score out.

A `Bench` lives in a process of its own, on this machine or another one, and gets all it needs from
a folder (`Problem.save`). What several trials need (units of channels, ranges, layers that were
compensated) it keeps. A trial's score depends on nothing but the folder and the trial.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from pathlib import Path

import numpy as np

from edgewise import format
from edgewise.errors import EdgewiseError, InputError, InternalError
from edgewise.files import as_bytes, write_atomically
from edgewise.ir.model import Model
from edgewise.metrics import agreement, are_correct, divergence
from edgewise.optimize.biases import correct_biases
from edgewise.optimize.calibrate import calibrate
from edgewise.optimize.compare import least_probability
from edgewise.optimize.compensate import Fitted, compensate
from edgewise.optimize.evaluate import TOP, Crew
from edgewise.optimize.observe import Sample
from edgewise.optimize.prepared import prepare
from edgewise.optimize.quantize import NothingToQuantize, quantize
from edgewise.optimize.ranges import Ranges
from edgewise.optimize.recipe import Recipe, Technique
from edgewise.optimize.shift import shift_channels
from edgewise.optimize.techniques import UNITS, equalized
from edgewise.values import dataclass, replace

PARTS = ("calibration", "search", "proof")
METRICS = ("top1", "top5", "agreement")
_TIMED = 10  # percent of a trial's inferences are faster than its time: others may use the cores


@dataclass(frozen=True, slots=True)
class Trial:
    """A recipe on the first `count` examples of a part."""

    recipe: Recipe
    part: str
    count: int

    def to_json(self) -> str:
        """One line, the same for the same trial: what a journal knows it by."""
        recipe = json.loads(self.recipe.to_json())
        return json.dumps({"recipe": recipe, "part": self.part, "count": self.count})

    @classmethod
    def from_json(cls, text: str) -> Trial:
        """The trial of a line."""
        data = json.loads(text)
        recipe = Recipe.from_json(json.dumps(data["recipe"]))
        return cls(recipe, data["part"], data["count"])


@dataclass(frozen=True, slots=True)
class Score:
    """What became of a trial. `hits`: for each example 1 where the metric holds, else 0.
    `divergence` is the mean KL from the float model in nats, `seconds` of one inference on one
    thread. Where the model could not be made, `error` says why and the rest is empty."""

    hits: str = ""
    divergence: float = 0.0
    bytes: int = 0
    seconds: float = 0.0
    error: str = ""

    def to_json(self) -> str:
        """One line that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Score:
        """The score of a line."""
        return cls(**json.loads(text))

    @property
    def rate(self) -> float:
        """The share of hits."""
        return self.hits.count("1") / max(1, len(self.hits))

    @property
    def are_hits(self) -> np.ndarray:
        """bool [N]."""
        return np.frombuffer(self.hits.encode(), np.uint8) == ord("1")


@dataclass(frozen=True, slots=True)
class Examples:
    """Arrays [N, ...] for each input, in the order of the signature's, and the outputs that are
    right, int64 [N] (-1: nobody knows)."""

    inputs: tuple[np.ndarray, ...]
    labels: np.ndarray

    def arrays(self, index: int) -> tuple[np.ndarray, ...]:
        """What one inference takes."""
        return tuple(array[index] for array in self.inputs)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Problem:
    """All that trials depend on. `model`: a file's bytes; `examples` by part."""

    model: bytes
    examples: Mapping[str, Examples]
    metric: str
    target: str | None
    signature: str | None

    def save(self, folder: Path) -> None:
        """Files that `load` reads."""
        write_atomically(folder / "model.tflite", [self.model])
        inputs = 0
        for part, examples in self.examples.items():
            np.save(folder / f"{part}.labels.npy", examples.labels)
            inputs = len(examples.inputs)
            for index, array in enumerate(examples.inputs):
                np.save(folder / f"{part}.{index}.npy", array)
        options = {"metric": self.metric, "target": self.target, "signature": self.signature}
        text = json.dumps({**options, "inputs": inputs})
        write_atomically(folder / "problem.json", [text.encode()])

    @classmethod
    def load(cls, folder: Path) -> Problem:
        """What `save` wrote; arrays are mapped, not read."""
        data = json.loads((folder / "problem.json").read_text())
        count = data.pop("inputs")
        examples = {}
        for part in PARTS:
            files = [folder / f"{part}.{index}.npy" for index in range(count)]
            arrays = tuple(np.load(file, mmap_mode="r") for file in files)
            examples[part] = Examples(arrays, np.load(folder / f"{part}.labels.npy"))
        return cls((folder / "model.tflite").read_bytes(), examples, **data)


@dataclass(slots=True)
class _Start:
    """A float model in units of channels that recipes share, and what is known of it."""

    model: Model
    fitted: Fitted = field(default_factory=dict)
    ranges: Ranges | None = None


class Bench:
    """Makes and measures models of one problem."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._model = format.load(problem.model, file="model")
        self._starts: dict[tuple[Technique, ...], _Start] = {}
        self._true: dict[str, np.ndarray] = {}
        self._calibration: list[Sample] = []

    @classmethod
    def of(cls, folder: Path) -> Bench:
        """The bench of a folder."""
        return cls(Problem.load(folder))

    def answer(self, line: str) -> str:
        """The score of a trial, both as lines; or of `{"file": recipe}` the file, in base64."""
        asked = json.loads(line)
        if "file" in asked:
            made = self.make(Recipe.from_json(asked["file"]))
            return b64encode(b"".join(as_bytes(c) for c in format.write(made))).decode()
        return self.score(Trial.from_json(line)).to_json()

    def score(self, trial: Trial) -> Score:
        """The score of a trial."""
        try:
            made = self.make(trial.recipe)
        except EdgewiseError as error:
            if isinstance(error, InternalError):
                raise
            return Score(error=str(error))
        size = sum(as_bytes(chunk).nbytes for chunk in format.write(made))
        crew = Crew(made, self._problem.signature)
        examples = self._problem.examples[trial.part]
        scores, seconds = self._run(crew, examples, trial.count)
        true = self._float(trial.part, trial.count)
        hits = self._hits(true, scores, examples.labels[: trial.count])
        floor = least_probability(crew.type, scores.shape[1])
        apart = float(divergence(true, scores, floor).mean())
        return Score("".join("01"[int(hit)] for hit in hits), apart, size, seconds)

    def make(self, recipe: Recipe) -> Model:
        """The model of a recipe; where that finds nothing to quantize, the float model."""
        asked = recipe.techniques or ()
        target = self._problem.target
        samples = self._samples()
        start = self._start(recipe)
        model = true = start.model
        plain = replace(recipe, techniques=())
        ranges = None
        if Technique.COMPENSATE in asked:
            model = compensate(true, plain, samples, target=target, known=start.fitted)
        elif recipe.is_static:
            start.ranges = start.ranges or calibrate(prepare(model, target), samples)
            ranges = start.ranges
        try:
            made = quantize(model, plain, ranges, samples=samples, target=target)
        except NothingToQuantize:
            return prepare(model, target)
        if Technique.CORRECT_BIASES in asked:
            made = correct_biases(made, true, samples)
        return made

    def _start(self, recipe: Recipe) -> _Start:
        units = tuple(t for t in recipe.techniques or () if t in UNITS)
        samples = self._samples()
        if units not in self._starts:
            equalizing = Recipe("float32", techniques=units)
            self._starts[units] = _Start(equalized(self._model, equalizing, samples))
        shared = self._starts[units]
        if Technique.SHIFT_CHANNELS not in units:
            return shared
        # what it moves is what a recipe makes int8: of float32 above nothing
        moved = shift_channels(shared.model, recipe, samples)
        return shared if moved is shared.model else _Start(moved)

    def _samples(self) -> Sequence[Sample]:
        """What calibration takes: arrays by name of the input."""
        if not self._calibration:
            names = list(self._model.signature(self._problem.signature).inputs)
            examples = self._problem.examples["calibration"]
            self._calibration = [
                dict(zip(names, examples.arrays(i), strict=True)) for i in range(len(examples))
            ]
        return self._calibration

    def _run(self, crew: Crew, examples: Examples, count: int) -> tuple[np.ndarray, float]:
        """float32 [N, C], and seconds of one inference."""
        rows, times = [], []
        for index in range(min(count, len(examples))):
            arrays = examples.arrays(index)
            start = time.perf_counter()
            rows.append(crew.scores(arrays))
            times.append(time.perf_counter() - start)
        return np.stack(rows), float(np.percentile(times, _TIMED))

    def _float(self, part: str, count: int) -> np.ndarray:
        """The float model's scores, of which more are made when they are asked for."""
        known = self._true.get(part)
        if known is None or len(known) < count:
            crew = Crew(self._model, self._problem.signature)
            known = self._true[part] = self._run(crew, self._problem.examples[part], count)[0]
        return known[:count]

    def _hits(self, true: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        metric = self._problem.metric
        if metric == "agreement":
            return agreement(true, scores)
        if (labels < 0).any():
            raise InputError(f"{metric} needs labels, which some examples lack")
        return are_correct(scores, labels, 1 if metric == "top1" else TOP)
