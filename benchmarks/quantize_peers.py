"""What other packages make of the same model and samples, for `benchmarks/quantize.py`.

In: a float `.tflite`, the source of the same weights, samples. Out: by recipe the files of AI Edge
Quantizer and of TensorFlow's converter, and what LiteRT answers with them; or why there are none.
Each package runs in a process of its own, by its own Python (`quantize_worker.py`).
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from quantize_models import TIMED

WORKER = Path(__file__).with_name("quantize_worker.py")
LITERT = "  in litert"
# what each has, by our names: theirs are the same, or options (`quantize_worker.py`)
RECIPES = {
    "aeq": (
        "weight_only_wi8_afp32",
        "weight_only_wi4_afp32",
        "dynamic_wi8_afp32",
        "static_wi8_ai8",
        "static_wi8_ai16",
    ),
    "tensorflow": ("float16", "dynamic_wi8_afp32@1024", "static_wi8_ai8", "static_wi8_ai16"),
}
HOURS = 2  # that a package has for one model
Outputs = tuple[np.ndarray, float]  # [N, C], and milliseconds


class Refused(Exception):
    """A peer did not do what it was asked, and why."""


@dataclass
class Made:
    """A file of a recipe, by whom, and what it answers in LiteRT (None: it runs on Edgewise)."""

    who: str
    file: bytes = b""
    outputs: Outputs | None = None
    refusal: str = ""


class Peers:
    """The packages there are (None: not), with their files in one folder."""

    def __init__(
        self, folder: Path, litert: str | None, aeq: str | None, tensorflow: str | None
    ) -> None:
        self.folder, self.litert = folder, litert
        self.pythons = {"aeq": aeq, "tensorflow": tensorflow}
        # by peer and recipe: a recipe is asked for with and without techniques
        self.known: dict[tuple[str, str], Made] = {}

    def give(
        self,
        data: bytes,
        source: Path | None,
        calibration: np.ndarray,
        x: np.ndarray,
        recipes: Sequence[str],
    ) -> None:
        """The model, and the recipes that will be asked for; packages make their files now."""
        np.savez(self.folder / "test.npz", x=x)
        np.savez(self.folder / "calibration.npz", x=calibration)
        model = self.folder / "float.tflite"
        model.write_bytes(data)
        for who, given in (("aeq", model), ("tensorflow", source)):
            wanted = [r for r in RECIPES[who] if r in {plain(name) for name in recipes}]
            python = self.pythons[who]
            if python is None or self.litert is None or given is None or not wanted:
                continue
            files = self.folder / who
            files.mkdir()
            reason = "it died"
            try:
                _ask(python, who, given, self.folder / "calibration.npz", files, *wanted)
            except Refused as refusal:
                reason = str(refusal)
            for recipe in wanted:
                self.known[who, recipe] = self._answers(who, files / recipe, reason)

    def _answers(self, who: str, path: Path, reason: str) -> Made:
        """What a peer's file answers, or why there is none."""
        file, why = path.with_name(f"{path.name}.tflite"), path.with_name(f"{path.name}.txt")
        if not file.exists():
            return Made(who, refusal=(why.read_text() if why.exists() else reason)[:160])
        return self.in_litert(who, file.read_bytes())

    def compare(self, recipe: str, written: bytes) -> list[Made]:
        """Our file in LiteRT, and the peers' files of the recipe, whose techniques they lack."""
        if self.litert is None:
            return []
        theirs = [made for key, made in self.known.items() if key[1] == plain(recipe)]
        return [self.in_litert(LITERT, written), *theirs]

    def in_litert(self, who: str, data: bytes) -> Made:
        """What a file answers in LiteRT, or why it does not run there."""
        assert self.litert is not None
        model, result = self.folder / "model.tflite", self.folder / "result.npz"
        model.write_bytes(data)
        try:
            _ask(self.litert, "litert", model, self.folder / "test.npz", result)
        except Refused as reason:
            return Made(who, refusal=str(reason))
        found = np.load(result)
        return Made(who, data, (found["y"], 1000 * float(np.percentile(found["seconds"], TIMED))))


def plain(recipe: str) -> str:
    """A recipe without techniques."""
    return recipe.partition("+")[0]


def _ask(python: str, *arguments: object) -> None:
    """Raises Refused with the last line of what it said."""
    command = [python, str(WORKER), *map(str, arguments)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=HOURS * 3600
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"it takes more than {HOURS} hours") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise Refused((said[-1].strip() if said else "it died")[:160])
