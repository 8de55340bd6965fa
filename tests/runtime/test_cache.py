"""The plan cache: what is found again is what was planned; damage, other versions, many writers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgewise
from edgewise import format
from edgewise.dtypes import DType
from edgewise.errors import FormatError, LimitError
from edgewise.files import OpenFile
from edgewise.hashing import hash_of
from edgewise.ir import Builder, Model, Sym, TensorType, Value
from edgewise.ir.types import Quant
from edgewise.lite import Interpreter as LiteInterpreter
from edgewise.runtime import cache as caches
from edgewise.runtime import planner
from edgewise.runtime.cache import Cache
from edgewise.runtime.digest import Digest
from edgewise.runtime.limits import Limits
from edgewise.runtime.plan import Plan
from edgewise.runtime.stored import read_interface, write_interface

ROOT = Path(__file__).resolve().parents[2]


class Counts:
    """How often models were read and planned."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = self.plans = 0
        load, plan = format.load, planner.plan

        def counted_load(*args: object, **kwargs: object) -> Model:
            self.reads += 1
            return load(*args, **kwargs)  # type: ignore[arg-type]

        def counted_plan(*args: object, **kwargs: object) -> Plan:
            self.plans += 1
            return plan(*args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(format, "load", counted_load)
        monkeypatch.setattr(planner, "plan", counted_plan)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    return Counts(monkeypatch)


def network(name: str = "y") -> Model:
    """A matrix product, any batch."""
    b = Builder()
    x = b.input("x", (Sym("batch", 1), 8), DType.FLOAT32)
    w = b.constant(np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32))
    model = Model()
    model.add(b.finish(b.fully_connected(x, w, None, label=name)))
    return model


X = np.linspace(-1, 1, 16, dtype=np.float32).reshape(2, 8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    network().save(path)
    return path


def run(file: Path | bytes, folder: Path, x: np.ndarray = X) -> np.ndarray:
    with edgewise.Interpreter(file, cache=folder) as interpreter:  # which ends when all is stored
        [y] = interpreter(x).values()
    return y


def test_a_known_file_is_neither_read_nor_planned(
    file: Path, tmp_path: Path, counts: Counts
) -> None:
    folder = tmp_path / "cache"
    cold = run(file, folder)
    assert (counts.reads, counts.plans) == (1, 1)
    warm = edgewise.Interpreter(file, cache=folder)
    assert {n: str(t) for n, t in warm.inputs().items()} == {"x": "float32[batch,8]"}
    np.testing.assert_array_equal(warm(X)["y"], cold)
    assert [p.where for p in warm.placement()] == ["kernel"]
    np.testing.assert_array_equal(run(file.read_bytes(), folder), cold)
    assert (counts.reads, counts.plans) == (1, 1)
    assert len(warm.model.main) == 1  # now it is read
    assert counts.reads == 2
    assert run(file, folder, X[:1]).shape == (1, 5)  # another shape is planned
    assert counts.plans == 2


def test_without_a_cache_nothing_is_written(file: Path, user_cache: Path, counts: Counts) -> None:
    before = list(user_cache.rglob("*"))
    for _ in range(2):
        edgewise.Interpreter(file, cache=False)(X)
    assert counts.plans == 2
    edgewise.Interpreter(network())(X)  # a Model is no file
    assert list(user_cache.rglob("*")) == before


def test_the_users_folder_for_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert caches.default_folder() == str(tmp_path / "edgewise")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert caches.default_folder() == str(tmp_path / ".cache" / "edgewise")


def test_another_file_is_another_entry(file: Path, tmp_path: Path, counts: Counts) -> None:
    folder = tmp_path / "cache"
    run(file, folder)
    other = tmp_path / "other.tflite"
    network("z").save(other)
    assert list(edgewise.Interpreter(other, cache=folder)(X)) == ["z"]
    assert counts.plans == 2


def test_another_version_plans_anew(
    file: Path, tmp_path: Path, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    run(file, folder)
    monkeypatch.setattr(caches, "fingerprint", lambda: "another version")
    run(file, folder)
    assert (counts.reads, counts.plans) == (2, 2)


def test_threads_and_instruction_set_are_part_of_the_key(
    file: Path, tmp_path: Path, counts: Counts
) -> None:
    folder = tmp_path / "cache"
    for threads in (1, 2, 1, 2):
        edgewise.Interpreter(file, cache=folder, num_threads=threads)(X)
    assert counts.plans == 2


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "appended", "other magic"])
def test_damaged_entries_are_made_anew(
    damage: str, file: Path, tmp_path: Path, counts: Counts
) -> None:
    folder = tmp_path / "cache"
    cold = run(file, folder)
    rng = np.random.default_rng(1)
    for turn in range(20 if damage == "flipped" else 1):
        for entry in folder.iterdir():
            data = bytearray(entry.read_bytes())
            if damage == "truncated":
                del data[len(data) // 2 :]
            elif damage == "empty":
                data.clear()
            elif damage == "appended":
                data += b"more"
            elif damage == "other magic":
                data[7:8] = b"2"
            else:
                data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
            entry.write_bytes(data)
        np.testing.assert_array_equal(run(file, folder), cold)
        assert counts.plans <= turn + 2
    if damage not in ("flipped", "appended"):
        assert counts.plans == 2
    before = counts.plans
    run(file, folder)
    assert counts.plans == before


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    array = np.arange(100, dtype=np.uint8)
    cache.put("key", {"a": 1}, {"array": array})
    path = Path(cache.path("key"))
    whole = path.read_bytes()
    found = cache.get("key")
    assert found is not None
    assert found[0] == {"a": 1}
    np.testing.assert_array_equal(found[1]["array"], array)
    assert not found[1]["array"].flags.writeable
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        again = cache.get("key")
        if again is not None:  # padding
            np.testing.assert_array_equal(again[1]["array"], array)
            assert again[0] == {"a": 1}
        else:
            assert not path.exists()


def test_an_entry_is_written_after_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, events = Cache(tmp_path), []
    array = np.arange(9, dtype=np.uint8)
    may_write = threading.Event()
    put = Cache.put

    def late(self: Cache, *args: Any) -> None:
        may_write.wait()
        put(self, *args)
        events.append("written")

    monkeypatch.setattr(Cache, "put", late)
    cache.soon("key", lambda: cache.put("key", {}, {"array": array}))
    events.append("returned")
    may_write.set()
    found = cache.get("key")  # waits for the thread
    assert found is not None
    np.testing.assert_array_equal(found[1]["array"], array)
    assert events == ["returned", "written"]
    caches.finish_writing()


def test_the_longest_unused_entries_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=5000)
    array = np.zeros(1500, np.uint8)
    for key in range(3):
        cache.put(key, {}, {"array": array})
        os.utime(cache.path(key), (time.time() - 9000 + key,) * 2)
    assert cache.get(0) is not None  # is used now
    cache.put(3, {}, {"array": array})
    assert [cache.get(key) is not None for key in range(4)] == [True, False, True, True]
    leftover = tmp_path / "tmpkilled"
    leftover.write_bytes(b"x")
    os.utime(leftover, (time.time() - 9000,) * 2)
    cache.put(4, {}, {"array": array})
    assert not leftover.exists()


def test_a_folder_that_cannot_be_written_is_no_error(file: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    np.testing.assert_array_equal(run(file, blocked / "cache"), run(file, tmp_path / "cache"))


def test_several_writers(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    wanted = run(file, tmp_path / "other")

    def work(index: int) -> bool:
        x = X[: 1 + index % 2]
        return np.array_equal(run(file, folder, x), wanted[: len(x)])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(40)))
    assert all(p.suffix == ".entry" for p in folder.iterdir())


@pytest.mark.ci
def test_several_processes(file: Path, tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np, edgewise\n"
        "for n in range(1, 9):\n"
        "    run = edgewise.Interpreter(sys.argv[1], cache=sys.argv[2])\n"
        "    assert run(np.ones((n, 8), np.float32))['y'].shape == (n, 5)\n"
    )
    command = [sys.executable, "-c", code, str(file), str(tmp_path / "cache")]
    started = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [p.wait() for p in started] == [0, 0, 0]


def test_an_interpreter_keeps_the_file_that_it_was_made_of(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    run(file, folder)
    warm = edgewise.Interpreter(file, cache=folder)
    file.unlink()
    network("z").save(file)
    assert [v.name for v in warm.model.main.outputs] == ["y"]
    assert list(edgewise.Interpreter(file, cache=folder)(X)) == ["z"]


def test_a_file_that_is_written_anew_is_noticed(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    run(file, folder)
    warm = edgewise.Interpreter(file, cache=folder)
    network("z").save(tmp_path / "other.tflite")
    file.write_bytes((tmp_path / "other.tflite").read_bytes())
    with pytest.raises(FormatError, match="has changed since the interpreter was made"):
        _ = warm.model
    assert list(edgewise.Interpreter(file, cache=folder)(X)) == ["z"]


def test_a_large_file_that_was_not_touched_is_not_hashed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, path = Cache(tmp_path / "cache"), tmp_path / "large"
    path.write_bytes(bytes(caches._LARGE_BYTES))
    file = OpenFile(path)
    wanted = hash_of(path.read_bytes()).hex()

    def found() -> tuple[str, memoryview | None]:
        digest, data = cache.digest(file)
        return str(digest), data

    assert found() == (wanted, path.read_bytes())
    monkeypatch.setattr(caches, "_SETTLED_S", -1.0)
    assert found() == (wanted, path.read_bytes())
    assert cache.digest(file)[0].is_known
    assert found() == (wanted, None)
    path.write_bytes(bytes(caches._LARGE_BYTES - 1) + b"1")
    assert found()[0] != wanted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_computes_a_digest_that_a_thread_was_computing() -> None:
    data = memoryview(bytes(1 << 26))
    made = Digest.of(data, None, lambda _: None)
    threading.Thread(target=made.__str__).start()
    child = os.fork()
    if not child:
        os._exit(0 if str(made) == hash_of(data).hex() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert str(made) == hash_of(data).hex()


def test_a_first_start_does_not_hash_the_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold, may_write, put = edgewise.Interpreter(file, cache=tmp_path), threading.Event(), Cache.put

    def late(self: Cache, *args: Any) -> None:
        may_write.wait()
        put(self, *args)

    monkeypatch.setattr(Cache, "put", late)
    cold(X)
    stored = cold._source.stored("main")
    assert stored is not None
    may_write.set()
    warm = edgewise.Interpreter(file, cache=tmp_path)  # waits until it is hashed and stored
    assert stored.digest.is_known
    assert not warm._source.is_read
    warm(X)
    assert not warm._source.is_read


def test_files_that_look_alike_are_told_apart(tmp_path: Path, counts: Counts) -> None:
    """Weights differ where no sample looks."""
    b = Builder()
    w = np.zeros(1 << 15, np.float32)
    model = Model()
    model.add(b.finish(b.add(b.input("x", w.shape, DType.FLOAT32), b.constant(w))))
    one = b"".join(format.write(model))
    other, middle = bytearray(one), len(one) // 8 * 4 + 3
    place = next(p for p in (middle, middle + 4) if p % (len(one) // caches._PLACES))
    other[place] = 64  # a float of 2
    assert caches.mark_of(one) == caches.mark_of(bytes(other))
    for data, total in ((one, 0.0), (bytes(other), 2.0), (one, 0.0)):
        assert run(data, tmp_path, w).sum() == total
    assert counts.plans == 2


def test_limits_hold_for_cached_plans(file: Path, tmp_path: Path) -> None:
    run(file, tmp_path / "cache")
    for limits in (Limits(max_macs=10), Limits(max_bytes=100)):
        warm = edgewise.Interpreter(file, cache=tmp_path / "cache", limits=limits)
        with pytest.raises(LimitError, match="max_"):
            warm(X)


def test_lite_finds_the_same_plans(file: Path, counts: Counts) -> None:
    edgewise.Interpreter(file)(X)
    lite = LiteInterpreter(model_path=str(file))
    [details] = lite.get_input_details()
    lite.resize_tensor_input(details["index"], X.shape)
    lite.allocate_tensors()
    lite.set_tensor(details["index"], X)
    lite.invoke()
    assert counts.plans == 1


def test_variables_of_a_cached_plan() -> None:
    """Their values are those of the graph, which is read for them."""
    b = Builder()
    x = b.input("x", (2, 3))
    state = Value(TensorType((2, 3), DType.FLOAT32), "state", is_variable=True)
    model = Model()
    model.add(b.finish(b.add(x, state)))
    data = model.to_bytes()
    one = np.ones((2, 3), np.float32)
    for _ in range(2):
        interpreter = edgewise.Interpreter(data)
        [y] = interpreter(one).values()
        np.testing.assert_array_equal(y, one)
        [session] = interpreter._sessions.values()
        [(value, held)] = session.variables().items()
        assert value in set(session.graph.values())
        held[...] = 5
        np.testing.assert_array_equal(interpreter(one)["add"], one * 6)


def test_an_interface_survives_json() -> None:
    b = Builder("g")
    x = b.input("x", (Sym("n", 1, 9), 3), DType.INT8, Quant([0.1, 0.2, 0.3], [1, 2, 3], axis=1))
    model = Model()
    model.add(b.finish(x))
    fields = write_interface(model)
    assert fields is not None
    found = read_interface(fields, with_tensors=False)
    assert found is not None
    [graph] = found.graphs.values()
    assert [v.type for v in graph.inputs] == [x.type]
    assert [v.name for v in graph.outputs] == ["x"]
