"""benchmarks/quantize.py goes on where it stopped, and its page says what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks import quantize_page

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.ci
def test_a_run_goes_on_where_it_stopped(shared_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "quantize.py"), "--data", str(shared_data)]
    command += ["--model", "mnist_valid", "--count", "20", "--json", str(file)]

    def run(*recipes: str, options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        asked = [*options, *(word for recipe in recipes for word in ("--recipe", recipe))]
        subprocess.run([*command, *asked], check=True, capture_output=True)
        found: list[dict[str, Any]] = json.loads(file.read_text())
        return found

    first = run("dynamic_wi8_afp32")
    assert [row["recipe"] for row in first] == ["float32", "dynamic_wi8_afp32"]
    first[1]["ms"] = 17.0  # what is kept is not measured again
    file.write_text(json.dumps(first))
    second = run("float16", "dynamic_wi8_afp32")
    assert [row["recipe"] for row in second] == ["float32", "float16", "dynamic_wi8_afp32"]
    assert [second[0], second[2]] == first
    assert run("dynamic_wi8_afp32", options=("--again",))[2]["ms"] < 17
    assert not list(tmp_path.glob(".*")), "a temporary file is left"


def test_a_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    what = {"model": "kws", "samples": 10, "date": "2026-01-02"}
    score = {"bytes": 9500, "top1": 50.0, "difference": [-1.0, -2.0, 0.5], "agree": 90.0}
    score |= {"kl": 1e-3, "ms": 0.5, "behind": ""}
    rows: list[dict[str, Any]] = [
        {**what, "recipe": "float32", "by": "edgewise", **score, "bytes": 190_000},
        {**what, "recipe": "static_wi8_ai8", "by": "edgewise", **score},
        {**what, "recipe": "static_wi8_ai8", "by": "aeq", **score, "behind": "KL is higher"},
        {**what, "recipe": "static_wi8_ai8", "by": "tensorflow", "refusal": "a | b"},
    ]
    (tmp_path / "table.json").write_text(json.dumps(rows))
    monkeypatch.setattr(quantize_page, "KEPT", tmp_path / "table.json")
    page = quantize_page.render()
    assert "Of 1 comparisons with a peer ours is behind in 1:" in page
    assert "- kws, `static_wi8_ai8`, aeq: KL is higher" in page
    cells = "| 9.5 | 50.0 | -1.0 [-2.0, 0.5] | 90.0 | 1.0e-03 | 0.5 |"
    assert f"| `static_wi8_ai8` | edgewise {cells}  |" in page
    assert f"|  | **aeq** {cells} KL is higher |" in page
    assert "|  | tensorflow | | | | | | | not done: a \\| b |" in page
