"""Profiles: every operator has a row, shares make a whole, nothing beats the machine's peak."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest

from edgewise.measure.charts import benchmark_page, profile_page
from edgewise.measure.peak import measure
from edgewise.measure.peers import Measurement
from edgewise.measure.profile import Profile, Row, _Clock, profile
from edgewise.runtime.library import Isa, host_isa
from tests.isas import BUILT
from tests.measure.models import small_model


@pytest.fixture
def found(tmp_path: Path) -> Profile:
    path = tmp_path / "model.tflite"
    small_model().save(path)
    return profile(path, runs=3)


def test_every_operator_has_a_row(found: Profile) -> None:
    assert [r.operator for r in found.rows] == ["conv_2d", "mean", "softmax"]
    assert {r.where for r in found.rows} == {"kernel"}
    assert found.rows[0].detail == "conv_2d_f32"
    assert found.rows[0].macs == 64 * 5 * 27
    assert found.rows[0].nbytes == 4 * (64 * 3 + 5 * 27 + 5 + 64 * 5)
    assert all(r.seconds > 0 for r in found.rows)
    assert sum(r.share for r in found.rows) == pytest.approx(1)
    assert found.seconds > 0
    assert [(kind, n) for kind, n, _ in sorted(found.by_kind())] == [
        ("conv_2d", 1),
        ("mean", 1),
        ("softmax", 1),
    ]


def test_the_trace_is_one_inference(found: Profile) -> None:
    events = json.loads(found.as_trace("model"))["traceEvents"]
    slices = [e for e in events if e["ph"] == "X"]
    assert [e["name"] for e in slices] == ["conv_2d", "mean", "softmax"]
    for before, after in pairwise(slices):
        assert after["ts"] == pytest.approx(before["ts"] + before["dur"])
    assert slices[0]["args"]["kernel"] == "conv_2d_f32"


def test_json_has_everything(found: Profile) -> None:
    plain = json.loads(json.dumps(found.as_json()))
    assert plain["rows"][0]["operator"] == "conv_2d"
    assert plain["peak"]["isa"] == host_isa().name.lower()


def row(seconds: float, least: float, macs: int = 0) -> Row:
    return Row(0, "conv_2d", "layer", "kernel", "conv_2d_f32", seconds, 0.5, macs, 1000, least)


def test_cells_of_a_row() -> None:
    assert row(2e-3, 1e-3, 4_000_000).cells() == (
        *("2.000", "50.0%", "4.00", "4.0", "0.0", "50%"),
        "conv_2d_f32",
    )
    assert row(0.0, 0.0).cells()[3:6] == ("", "", "")
    assert row(1e-3, 2e-3).of_peak == 1.0


@pytest.mark.parametrize("isa", BUILT, ids=lambda i: i.name.lower())
def test_the_peak_of_every_instruction_set_is_measured(isa: Isa) -> None:
    peak = measure(isa)
    assert peak.f32_macs > 1e7
    assert peak.s8_macs > 1e7
    assert peak.cache_bytes > 1e8
    assert peak.memory_bytes > 1e7
    macs = int(peak.f32_macs)
    assert peak.least_seconds(macs, True, 0) == pytest.approx(1, rel=1e-3)
    assert peak.least_seconds(0, False, int(peak.cache_bytes)) == pytest.approx(1, rel=1e-3)


@pytest.mark.ci
def test_pages_open_offline(found: Profile, tmp_path: Path) -> None:
    """One file, nothing fetched; names of others are text."""
    pytest.importorskip("matplotlib", reason="the extra `pages` is not installed")
    page = tmp_path / "profile.html"
    profile_page(page, Path("<b>evil</b>.tflite"), found)
    text = page.read_text()
    assert "<svg" in text
    assert "&lt;b&gt;evil&lt;/b&gt;.tflite" in text
    assert "<b>evil" not in text
    assert not any(word in text for word in ("<script", "<link", 'src="', "@import"))
    times = [0.001 + i * 1e-5 for i in range(50)]
    measured = [Measurement("edgewise", "1", times=times), Measurement("litert", error="<x>")]
    benchmark_page(page, Path("m.tflite"), 1, measured, overwrite=True)
    assert "litert does not run it: &lt;x&gt;" in page.read_text()


def test_what_follows_the_last_operator_is_no_operator_s_time() -> None:
    clock = _Clock(2)

    def run() -> None:
        for number in (0, 1, 1):  # the session's last call ends the last operator
            clock.next(number)
        time.sleep(0.1)

    took = clock.time(run)
    assert sum(took) < 0.05
