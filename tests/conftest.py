"""Test tiers, oracles and data for every test.

Tiers (a test without one is `quick`, a parity test without one is `full`):

- `pytest -m quick -n auto`: seconds per area, a minute or two in all; for every save.
- `pytest`: the ci tier, which is `quick` and `ci`; for every push.
- `pytest --full`: everything.

Of a matrix with `@pytest.mark.sampled(n)`, every n-th case of each operator (the first word of a
test's id), and one at least, is quick; the others are `ci`. n is prime to the number of
instruction sets, so that the sample meets all of them.

`parity` tests ask the real TensorFlow Lite. It is never imported here: it aborts the process on
some models, so it runs in the interpreter that `--oracle-python PATH` names (by default this one,
if it has ai_edge_litert). Models of others are read from `../shared/data` where that exists.
"""

from __future__ import annotations

import os
import random
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from edgewise.runtime.places import Places
from tests.models.table import Table
from tests.oracle import plugin
from tests.oracle.plugin import micro_oracle, oracle
from tests.runtime.sharing import check_sharing

__all__ = ["micro_oracle", "oracle"]

ROOT = Path(__file__).resolve().parent.parent
TIERS = ("quick", "ci", "full")

# No limits of time: a shared machine is slow at times. The blob repeats a failure elsewhere.
# Only the full tier draws anew: what the other tiers say depends on the commit alone.
_UNTIMED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("full", print_blob=True, **_UNTIMED)
hypothesis.settings.register_profile("same", derandomize=True, **_UNTIMED)


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Plans are not kept in the user's own cache, nor found there."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        own = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
        compiled = os.environ.get("ZIG_GLOBAL_CACHE_DIR", str(Path(own) / "zig"))
        patch.setenv("ZIG_GLOBAL_CACHE_DIR", compiled)  # the compiler keeps its own
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


def pytest_addoption(parser: pytest.Parser) -> None:
    plugin.pytest_addoption(parser)
    parser.addoption("--full", action="store_true", help="run the full tier: every test")
    parser.addoption(
        "--update-golden", action="store_true", help="write golden files instead of comparing"
    )


def pytest_configure(config: pytest.Config) -> None:
    named = config.getoption("--oracle-python")
    if named is not None and not Path(named).is_file():
        raise pytest.UsageError(f"--oracle-python {named}: no such file")
    hypothesis.settings.load_profile("full" if config.getoption("--full") else "same")
    config.pluginmanager.register(Clock(), "edgewise-clock")
    config.pluginmanager.register(Table(), "edgewise-table")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    rows: dict[tuple[str, str], list[pytest.Item]] = {}  # of matrices, by test and operator
    for item in items:
        if any(item.get_closest_marker(tier) for tier in TIERS):
            continue
        if item.get_closest_marker("sampled"):
            test, _, name = item.nodeid.partition("[")
            operator = name.partition("-")[0] if "-" in name else ""
            rows.setdefault((test, operator), []).append(item)
        else:
            parity = item.get_closest_marker("parity")
            item.add_marker(pytest.mark.full if parity else pytest.mark.quick)
    for (_, operator), row in rows.items():
        marker = row[0].get_closest_marker("sampled")
        assert marker is not None
        step = min(marker.args[0], len(row))
        for place, item in enumerate(row, zlib.crc32(operator.encode())):
            item.add_marker(pytest.mark.ci if place % step else pytest.mark.quick)
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="the full tier runs with --full")
    for item in items:
        asked = config.getoption("--oracle-python") and item.get_closest_marker("parity")
        if item.get_closest_marker("full") and not asked:
            item.add_marker(skip)


@pytest.fixture(autouse=True, scope="session")
def every_plan_is_checked() -> Iterator[None]:
    """Of every plan that a test makes, no value is overwritten before it was read."""
    make = Places.of.__func__  # type: ignore[attr-defined]

    def checked(cls: type[Places], *args: object, **options: object) -> Places:
        places: Places = make(cls, *args, **options)
        check_sharing(places)
        return places

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Places, "of", classmethod(checked))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real models, weights and pictures that are not part of the repository; skips without them."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("../shared/data is missing: the models of others are not in the repository")
    return path


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """Of a test with random files, which prints it: a new one in the full tier."""
    return random.SystemRandom().randrange(1 << 30) if pytestconfig.getoption("--full") else 3


@pytest.fixture
def update_golden(pytestconfig: pytest.Config) -> bool:
    """Golden files are to be written, not compared; the change is reviewed as a diff."""
    return bool(pytestconfig.getoption("--update-golden"))


class Clock:
    """Seconds of tests per area (the folder or module under `tests/`), printed at the end."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        area = report.nodeid.split("::")[0].removeprefix("tests/").split("/")[0]
        self.seconds[area] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.seconds.total() < 1:
            return
        terminalreporter.section("minutes per area")
        for area, seconds in self.seconds.most_common():
            terminalreporter.write_line(f"{seconds / 60:8.2f}  {area}")
        terminalreporter.write_line(f"{self.seconds.total() / 60:8.2f}  in all")
