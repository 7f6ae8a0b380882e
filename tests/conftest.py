"""Fixtures that several files share."""

import pytest
from browser import CHROMIUM, Browser


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests of a run."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with Browser() as running:
        yield running
