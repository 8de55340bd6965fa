"""Store networks of keras.applications without their weights, and what Keras and TensorFlow say.

    python tools/oracle/store_applications.py --oracle-python PATH [CASE ...]

Writes `tests/e2e/answers/applications/CASE.zip` for the cases in `STORED` of
`tests/e2e/applications.py` (or those named); `tests/e2e/test_stored_applications.py` reads them.
A zip has the hollow files, Keras's answer `y.npy`, and `about.json`: versions, recipes of the
weights, where they go in each file, operators and bytes of TensorFlow's three conversions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import edgewise  # noqa: E402
from tests.e2e.answers import operators  # noqa: E402
from tests.e2e.applications import FOLDER, STORED  # noqa: E402
from tests.e2e.hollow import filled, hollow, weight  # noqa: E402

MAKER = Path(__file__).with_name("application.py")
SOURCES = ("model.keras", "model.h5", "saved")
LEFT_OUT = "fingerprint.pb"  # of the weights; nothing needs it


def main() -> None:
    """Make each case in a folder of its own, and pack it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle-python", required=True)
    parser.add_argument("cases", nargs="*", default=STORED)
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name in options.cases:
        with tempfile.TemporaryDirectory() as folder:
            command = [options.oracle_python, str(MAKER), name, folder]
            subprocess.run(command, check=True, capture_output=True)
            target = FOLDER / f"{name}.zip"
            pack(Path(folder), target)
            print(f"{target.relative_to(ROOT)}: {target.stat().st_size} bytes", flush=True)


def pack(folder: Path, target: Path) -> None:
    """What `application.py` made, hollow."""
    about = json.loads((folder / "about.json").read_text())
    weights = [weight(recipe) for recipe in about["weights"]]
    parts, places = {"y.npy": (folder / "y.npy").read_bytes()}, {}
    for source in SOURCES:
        for path in sorted([folder / source, *(folder / source).rglob("*")]):
            if not path.is_file() or path.name == LEFT_OUT:
                continue
            whole = path.read_bytes()
            rest, at = hollow(whole, weights)
            assert filled(rest, at, weights) == whole
            name = path.relative_to(folder).as_posix()
            parts[name], places[name] = rest, at
    stored = {
        "versions": about["versions"],
        "conversions": {
            path.stem: [operators(edgewise.load(path)).total(), path.stat().st_size]
            for path in sorted(folder.glob("tf-*.tflite"))
        },
        "weights": about["weights"],
        "places": places,
    }
    parts["about.json"] = json.dumps(stored).encode()
    with zipfile.ZipFile(target, "w") as file:
        for name, data in parts.items():
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_LZMA)


if __name__ == "__main__":
    main()
