"""Making millions of objects without looking through them again and again."""

import contextlib
import gc


@contextlib.contextmanager
def without_garbage_collection():
    """In the block (or function, as a decorator) nothing is searched for cycles.

    The search is made whenever many objects are new, and goes through all: half of the time of loading COCO's sentences.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
