"""Fixtures that several files share."""

import signal

import pytest
from browser import CHROMIUM, Browser

from neuraltalk.layers.twins import numpy_only

# A shell that runs the tests in the background has Ctrl-C ignored in all that it starts; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests of a run."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with Browser() as running:
        yield running


@pytest.fixture(params=["kernels", "numpy"])
def both_twins(request):
    """A test runs twice: with the kernels, and with the NumPy that defines them."""
    if request.param == "kernels":
        yield
    else:
        with numpy_only():
            yield
