"""The whole product, which is many processes."""

import pytest


@pytest.fixture(autouse=True)
def _processes(processes: None) -> None:
    """Each of these tests starts some."""
