"""Fixtures that several files share."""

import signal

import pytest
from browser import CHROMIUM, Browser

# A shell that runs the tests in the background has Ctrl-C ignored in all that it starts; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests of a run."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with Browser() as running:
        yield running
