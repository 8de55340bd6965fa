"""SavedModels and frozen graphs that were tampered with: our errors, soon, in little memory."""

from __future__ import annotations

import logging
import random
import resource
import shutil
import time
from pathlib import Path

import pytest

from edgewise.errors import EdgewiseError, InternalError
from edgewise.frontends.tensorflow.checkpoint.table import read_table
from edgewise.frontends.tensorflow.frozen import read_frozen
from edgewise.frontends.tensorflow.saved_model import read_saved_model
from tests.format.mutants import mutate
from tests.frontends.tensorflow.saved import NAMES, problems, table, unpacked
from tests.frontends.tensorflow.test_frozen import small
from tests.frontends.wire_mutants import fields, mutate_message

SLOWEST = 20.0  # seconds for one file; they take milliseconds on an idle machine
MEMORY = 1 << 20  # KiB that all of them together may add to the process's peak


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "edgewise")


def change(data: bytes, generator: random.Random) -> bytes:
    """Fields, bytes, or the end."""
    match generator.randrange(8):
        case 0:
            return mutate(data, generator) if data else data
        case 1:
            return data[: generator.randrange(len(data) + 1)]
        case _:
            for _ in range(generator.choice((1, 1, 2, 5))):
                data = mutate_message(data, generator)
            return data


def change_index(data: bytes, generator: random.Random) -> bytes:
    """Entries of a checkpoint's index, with checksums that fit; sometimes the bytes."""
    if generator.random() < 0.2:
        return change(data, generator)
    entries = {key: bytes(value) for key, value in read_table(data, "index").items()}
    for key in generator.sample(sorted(entries), min(len(entries), generator.choice((1, 2, 9)))):
        entries[key] = mutate_message(entries[key], generator)
    if generator.random() < 0.1:
        del entries[generator.choice(sorted(entries))]
    if generator.random() < 0.1:
        entries[generator.randbytes(3)] = entries[generator.choice(sorted(entries))]
    return table(entries, snappy=generator.random() < 0.5)


def change_folder(source: Path, folder: Path, generator: random.Random) -> None:
    """A copy of the SavedModel `source` in which a file or two are different."""
    shutil.copytree(source, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    chosen = [folder / "saved_model.pb"]
    if generator.random() < 0.4:
        chosen = generator.sample(files, min(len(files), generator.choice((1, 2))))
    for path in chosen:
        data = path.read_bytes()
        changed = change_index if path.suffix == ".index" else change
        path.write_bytes(changed(data, generator))
        if generator.random() < 0.02:
            path.unlink()


def attempt(read: object, source: object, what: str) -> bool:
    """Whether it can be read; anything but our errors fails the test."""
    begin, refused = time.process_time(), None
    try:
        assert problems(read(source)) == [], what  # type: ignore[operator]
    except EdgewiseError as error:
        refused = error
    assert time.process_time() - begin < SLOWEST, what
    assert not isinstance(refused, InternalError), what
    assert len(str(refused)) < 100_000, what
    return refused is None


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run(count: int, seed: int, tmp_path: Path) -> None:
    generator = random.Random(seed)
    sources = [unpacked(name, tmp_path / "sources") for name in NAMES]
    before, good = peak(), 0
    for turn in range(count):
        source = generator.choice(sources)
        folder = tmp_path / "m"
        change_folder(source, folder, generator)
        tags = {"serve", "gpu"} if source.name == "several_graphs" and turn % 2 else None
        good += attempt(lambda f, t=tags: read_saved_model(f, t), folder,
                        f"{source.name}, seed {seed}, turn {turn}")  # fmt: skip
        shutil.rmtree(folder)
    print(f"seed {seed}: {good} of {count} mutated SavedModels could be read")
    assert 0 < good < count
    assert peak() - before < MEMORY


def run_frozen(count: int, seed: int, files: list[bytes]) -> None:
    generator = random.Random(seed)
    before, good = peak(), 0
    for turn in range(count):
        data = change(generator.choice(files), generator)
        good += attempt(read_frozen, data, f"seed {seed}, turn {turn}")
    print(f"seed {seed}: {good} of {count} mutated graphs could be read")
    assert 0 < good < count
    assert peak() - before < MEMORY


@pytest.mark.ci
def test_mutated_saved_models(tmp_path: Path):
    run(150, 1, tmp_path)


def test_mutated_frozen_graphs():
    run_frozen(400, 2, [small()])


@pytest.mark.ci
def test_more_mutated_saved_models(tmp_path: Path, seed: int):
    run(600, seed, tmp_path)


@pytest.mark.full
@pytest.mark.timeout(3000)
def test_ten_thousand_mutated_saved_models(tmp_path: Path, seed: int):
    run(10_000, seed, tmp_path)


@pytest.mark.full
@pytest.mark.timeout(3000)
def test_ten_thousand_mutated_frozen_graphs(shared_data: Path, seed: int):
    files = [path.read_bytes() for path in sorted((shared_data / "frozen").glob("*.pb"))]
    run_frozen(10_000, seed, [small(), *files])


def test_a_saved_model_cut_off_anywhere(tmp_path: Path):
    folder = unpacked("module", tmp_path)
    file = folder / "saved_model.pb"
    data = file.read_bytes()
    for end in range(0, len(data), len(data) // 60):
        file.write_bytes(data[:end])
        assert not attempt(read_saved_model, folder, f"first {end} bytes")


def test_the_mutants_know_the_format():
    generator = random.Random(5)
    data = small()
    whole = sum(fields(mutate_message(data, generator)) is not None for _ in range(50))
    assert whole == 50
