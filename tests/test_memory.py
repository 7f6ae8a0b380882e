"""Freed memory stays with the process that asked to keep it."""

import subprocess
import sys

import pytest

from neuraltalk.memory import keep_freed_memory

STEPS = """
import resource, sys
import numpy as np
from neuraltalk.memory import keep_freed_memory

def step():
    return [np.ones(size, np.uint8) for size in (30 << 20, 31 << 20, 3 << 20)]

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(way):
    child = subprocess.run([sys.executable, "-c", STEPS, way], capture_output=True, text=True, check=True)
    return int(child.stdout)


def test_arrays_of_every_step_cost_no_page_faults():
    if not keep_freed_memory():
        pytest.skip("the C library isn't glibc")
    assert page_faults("keep") < 100


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory.__wrapped__() is False
