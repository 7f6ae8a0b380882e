"""Independent jobs spread over processes or threads, for work that a matrix product doesn't already spread over the cores."""

import contextlib
import functools
import itertools
import os
import sys

FEW = 100                           # below so many jobs, starting processes costs more than it gains
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def spread(function, jobs):
    """Yield function(job) for each of the `jobs` (a list), in order, computed by as many processes as there are cores.

    `function` and the jobs travel to fresh processes, so a function of a module, or a functools.partial of one, will do. Each
    process uses one BLAS thread: more would wait for each other. A few jobs are done right here.
    """
    cores = os.cpu_count() or 1
    if cores == 1 or len(jobs) < FEW:
        yield from map(function, jobs)
        return
    import concurrent.futures
    import multiprocessing

    spawn = multiprocessing.get_context("spawn")            # fork is unsafe beside the threads of BLAS
    with blas_threads_of_children(1), concurrent.futures.ProcessPoolExecutor(cores, spawn, _live_with_parent) as pool:
        try:
            yield from pool.map(function, jobs, chunksize=8)
        finally:
            pool.shutdown(cancel_futures=True)


def spread_unordered(function, jobs, processes):
    """Yield function(job) for each of the `jobs` (any iterable), each as soon as it is done, computed by some processes.

    As spread(), but no result waits for an earlier one, and jobs are taken from the iterable only a few ahead. One process
    is this one, whose BLAS may use all cores.
    """
    if processes == 1:
        yield from map(function, jobs)
        return
    import concurrent.futures
    import multiprocessing

    jobs, running = iter(jobs), set()
    spawn = multiprocessing.get_context("spawn")
    with blas_threads_of_children(1), concurrent.futures.ProcessPoolExecutor(processes, spawn, _live_with_parent) as pool:
        try:
            while True:
                running |= {pool.submit(function, job) for job in itertools.islice(jobs, 2 * processes - len(running))}
                if not running:
                    return
                done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _live_with_parent():
    """Leave Ctrl-C to the parent process, and end when it is killed, instead of waiting for its jobs for ever."""
    import multiprocessing
    import multiprocessing.connection
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process().sentinel

    def watch():
        multiprocessing.connection.wait([parent])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def blas_threads_of_children(count):
    """Processes started inside the block have so many BLAS threads each; this one keeps its own."""
    before = {name: os.environ.get(name) for name in BLAS_THREADS}
    os.environ.update(dict.fromkeys(BLAS_THREADS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def in_threads(function, count):
    """Call function(start, stop) for parts of range(count) that make up all of it, a part for each thread of BLAS.

    It gains where the function releases the interpreter's lock, as kernels and matrix products do. Meanwhile BLAS has one
    thread: its own would meet after every small product, and on a busy machine wait there for each other most of the time.
    """
    parts = min(blas_threads(), count)
    if parts < 2:
        function(0, count)
        return
    edges = [count * part // parts for part in range(parts + 1)]
    with blas_on_one_thread():
        jobs = [_threads(parts).submit(function, *edge) for edge in zip(edges, edges[1:])]
        for job in jobs:
            job.exception()  # BLAS gets its threads back when all have ended
    for job in jobs:
        job.result()


def blas_threads(most=8):
    """The threads that BLAS uses: as many as the environment says, else one for each core; `most` at most."""
    given = next((os.environ[name] for name in BLAS_THREADS if os.environ.get(name, "").isdecimal()), 0)
    return min(int(given) or os.cpu_count() or 1, most)


def use_blas_threads(count):
    """From now on BLAS has `count` threads, in this process (OpenBLAS, or before NumPy is imported) and in those it starts."""
    os.environ.update(dict.fromkeys(BLAS_THREADS, str(count)))
    if "numpy" in sys.modules:
        _, set_threads = _openblas()
        set_threads(count)


@functools.cache
def _threads(count):
    import concurrent.futures

    return concurrent.futures.ThreadPoolExecutor(count)


@contextlib.contextmanager
def blas_on_one_thread():
    """In this process, BLAS has one thread inside the block. Only for OpenBLAS as NumPy's wheels bring it; others keep theirs."""
    get_threads, set_threads = _openblas()
    before = get_threads()
    set_threads(1)
    try:
        yield
    finally:
        set_threads(before)


@functools.cache
def _openblas():
    """The two functions of NumPy's OpenBLAS that get and set its number of threads; functions without effect for another BLAS."""
    import ctypes
    import pathlib

    import numpy

    package = pathlib.Path(numpy.__file__).parent
    for path in [*package.parent.glob("numpy.libs/*openblas*"), *package.glob(".dylibs/*openblas*")]:
        library = ctypes.CDLL(str(path))
        for name in ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "openblas_{}_num_threads"):
            if hasattr(library, name.format("set")):
                return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return (lambda: 1), (lambda count: None)
