"""Memory that one step frees and the next needs again."""

import functools
import sys

MAPPED = 32 << 20                   # bytes: larger arrays are mapped one by one, and given back; glibc allows no more
KEPT = 1 << 30                      # bytes of free memory that the process may keep at the end of its heap
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1               # glibc's malloc.h


@functools.cache
def keep_freed_memory():
    """From now on what is freed stays with this process, up to KEPT bytes; whether the C library could be told so.

    A training step frees arrays of the same sizes as the next one makes. Left alone, glibc gives them back to the system after
    every step and asks for them again, and each page is cleared at its first use: nearly a third of the alignment model's
    time on Flickr8K (benchmarks/freed_memory.py). The most memory in use at a time stays the same. Other C libraries than
    glibc are left alone.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)   # musl has none
    return mallopt is not None and all([mallopt(_M_MMAP_THRESHOLD, MAPPED), mallopt(_M_TRIM_THRESHOLD, KEPT)])
