"""What tests of the runtime share."""

from __future__ import annotations

from pathlib import Path

import pytest

BUILD_SECONDS = 1800  # of a test that may have to build libraries, or to wait for another's


@pytest.fixture(scope="session")
def built_kernels(pytestconfig: pytest.Config) -> Path:
    """Where libraries built for tests are kept from run to run."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("edgewise-kernels")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_timed = item.get_closest_marker("timeout") is not None
        if "built_kernels" in getattr(item, "fixturenames", ()) and not is_timed:
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS))
