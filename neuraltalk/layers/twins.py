"""Two versions of every inner loop: a NumPy definition to read, a Numba kernel to run.

The definition stands in the layer's file, marked `@twin`. The kernel has the same name and the same arguments and stands
in `kernels.py` of the same package. Both fill arrays that they are handed. By default the kernel runs (Numba is imported
at the first call, not before); `with numpy_only():` or the environment variable NEURALTALK_KERNELS=0 runs the definition.
"""

import contextlib
import functools
import importlib
import os

DEFINITIONS = {}                    # "package.name" -> the NumPy definition; the tests hold each kernel to it
_kernels_run = os.environ.get("NEURALTALK_KERNELS", "1") != "0"


def twin(definition):
    """Mark a NumPy definition that has a kernel of the same name in its package's `kernels.py`."""
    package = definition.__module__.rpartition(".")[0]
    DEFINITIONS[f"{package}.{definition.__name__}"] = definition
    kernel = None

    @functools.wraps(definition)
    def run(*arguments):
        nonlocal kernel
        if not _kernels_run:
            return definition(*arguments)
        if kernel is None:
            kernel = getattr(importlib.import_module(f"{package}.kernels"), definition.__name__)
        return kernel(*arguments)

    return run


@contextlib.contextmanager
def numpy_only():
    """Run the NumPy definitions inside the block."""
    global _kernels_run
    before, _kernels_run = _kernels_run, False
    try:
        yield
    finally:
        _kernels_run = before
