"""Where tests of real models put their verdicts, for the table at the end (`table.py`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.models.table import PROPERTY
from tests.models.verdict import Verdict


@pytest.fixture
def judged(record_property: Callable[[str, object], None]) -> Callable[[Verdict], None]:
    """Call it with a verdict to have it printed."""
    return lambda v: record_property(PROPERTY, [v.result, v.kind, v.file, v.oracle, v.line])
