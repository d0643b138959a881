"""The measurements, each with processes of its own."""

import pytest


@pytest.fixture(autouse=True)
def _processes(processes: None) -> None:
    """Each of these tests starts some."""
