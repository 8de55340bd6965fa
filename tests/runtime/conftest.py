"""What tests of the runtime share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def built_kernels(pytestconfig: pytest.Config) -> Path:
    """Where libraries built for tests are kept from run to run."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("edgewise-kernels")
