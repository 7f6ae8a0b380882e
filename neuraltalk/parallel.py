"""Independent jobs spread over processes, for work that a matrix product doesn't already spread over the cores."""

import contextlib
import os

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
    with one_blas_thread(), concurrent.futures.ProcessPoolExecutor(cores, mp_context=spawn) as pool:
        try:
            yield from pool.map(function, jobs, chunksize=8)
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def one_blas_thread():
    """Processes started inside the block have one BLAS thread each; this one keeps its own."""
    before = {name: os.environ.get(name) for name in BLAS_THREADS}
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
