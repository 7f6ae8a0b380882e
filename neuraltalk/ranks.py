"""Processes that work on one thing together, on one machine or many: how many there are, and what goes between them.

    size    processes        rank    this one's number, 0 .. size - 1; rank 0 writes the files and does the talking

`Alone` is a process by itself: every method is there, and trivial. `Ranks` are processes that an MPI launcher started
(`mpiexec -n 4 python driver.py`), and is the one place that knows MPI; mpi4py is imported only there. Whoever can be one of
several takes either as an argument; the command line asks `world()` which it is.

All processes have to call the methods of one Ranks in the same order, but for those that say otherwise.
"""

import contextlib
import functools
import itertools
import math
import os
import sys
import time

from neuraltalk.errors import UserError
from neuraltalk.parallel import BLAS_THREADS, use_blas_threads

# (number of processes, number of this one) as launchers tell them: Open MPI; MPICH, Intel, Microsoft and Slurm's PMI-2;
# MVAPICH2; Slurm's PMIx.
LAUNCHERS = (
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
    ("SLURM_STEP_NUM_TASKS", "PMIX_RANK"),
)
PATIENCE = 2.0  # seconds in which processes that fail for the same reason all do
FAILED, RESULT = 1, 2  # kinds of messages
ON_THE_WAY = 4  # results that a process has measured and rank 0 hasn't taken: more would only fill memory


class Interrupted(Exception):
    """Leaves map() early, on all ranks."""


class Alone:
    """One process by itself."""

    rank, size = 0, 1

    def first(self, count):
        """The first `count` ranks among themselves; None for the others."""
        return self

    def share(self, value=None):
        """Rank 0's value, on all ranks."""
        return value

    def wait(self):
        """Until all ranks are here."""

    @contextlib.contextmanager
    def rank_0_first(self):
        """Rank 0 runs the block, and then the others: for what makes files that the others find. A UserError is everyone's."""
        yield

    def check_same(self, value, what):
        """Raise UserError if value() isn't the same on all ranks."""

    def add(self, array):
        """Sum a contiguous array over the ranks, in place, in one Allreduce."""

    def map(self, function, jobs):
        """[function(job) for job in jobs], every rank doing some of the jobs. Results travel as pickles.

        A UserError or Interrupted of one rank is raised by all.
        """
        return [function(job) for job in jobs]


ALONE = Alone()


class Ranks(Alone):
    """Processes that an MPI launcher started; `communicator` is mpi4py's."""

    def __init__(self, communicator):
        self._mpi = communicator
        self.rank, self.size = communicator.Get_rank(), communicator.Get_size()

    def first(self, count):
        if count >= self.size:
            return self
        part = self._mpi.Split(0 if self.rank < count else 1, self.rank)
        return None if self.rank >= count else ALONE if count == 1 else Ranks(part)

    def share(self, value=None):
        return self._mpi.bcast(value)

    def wait(self):
        self._mpi.Barrier()

    @contextlib.contextmanager
    def rank_0_first(self):
        if self.rank == 0:
            try:
                yield
            except UserError as fault:
                self.share(fault)
                raise
            self.share()
        else:
            fault = self.share()
            if fault is not None:
                raise fault
            yield

    def check_same(self, value, what):
        values = self._mpi.allgather(value())
        other = next((rank for rank in range(self.size) if values[rank] != values[0]), None)
        if other is not None:
            raise UserError(f"rank {other} has other {what} than rank 0; every machine needs the same data, code and options")

    def add(self, array):
        self._mpi.Allreduce(_in_place(), array)

    def gather(self, rows, counts):
        """Own rows (counts[rank], ...) -> those of all ranks, one rank's after the other's."""
        import numpy as np

        found = np.empty((sum(counts), *rows.shape[1:]), rows.dtype)
        self._mpi.Allgatherv(rows, (found, _lengths(rows, counts)))
        return found

    def give_back(self, rows, counts):
        """The reverse of gather: of rows (sum of counts, ...) the sums over the ranks, each rank getting its own."""
        import numpy as np

        own = np.empty((counts[self.rank], *rows.shape[1:]), rows.dtype)
        self._mpi.Reduce_scatter(rows, own, _lengths(rows, counts))
        return own

    def map(self, function, jobs):
        results, fault = [], None
        try:
            results = [function(job) for job in itertools.islice(jobs, self.rank, None, self.size)]
        except (UserError, Interrupted) as caught:
            fault = caught
        parts, faults = zip(*self._mpi.allgather((results, fault)))
        for fault in faults:
            if fault is not None:
                raise fault
        return [parts[k % self.size][k // self.size] for k in range(sum(map(len, parts)))]

    def map_unordered(self, function, jobs):
        """On rank 0: yield function(job) for each of the jobs (a list, the same on all ranks), each as soon as it is there.

        On the other ranks: do every size-th of the jobs, send what comes out, and yield nothing.
        """
        own = map(function, jobs[self.rank :: self.size])
        if self.rank:
            on_the_way = []
            for result in own:
                on_the_way.append(self._mpi.isend(result, 0, RESULT))
                if len(on_the_way) > ON_THE_WAY:
                    on_the_way.pop(0).wait()
            for request in on_the_way:
                request.wait()
            return
        left = len(jobs) - len(jobs[:: self.size])  # those of the others
        for result in own:
            yield result
            while left and self._mpi.iprobe(tag=RESULT):
                yield self._mpi.recv(tag=RESULT)
                left -= 1
        for _ in range(left):
            yield self._mpi.recv(tag=RESULT)

    def failed(self, code, text=None):
        """This rank has failed: end all processes, this one too, with an exit code. Any rank may call it, at any time.

        Of all ranks that have failed the lowest one's `text` goes to stderr.
        """
        for other in range(self.size):
            if other != self.rank:
                self._mpi.isend(code, other, FAILED)
        heard = {self.rank}
        self._listen(heard)
        lowest = self.rank == min(heard)
        if lowest and text:
            print(text.rstrip(), file=sys.__stderr__, flush=True)
        if not lowest:
            self._listen(heard)  # and let it speak
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
            _wait_until_read(1, 2)  # an abort may overtake the reason on its way to the launcher
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the reason is told: MPI's own words add nothing
        self._mpi.Abort(code)

    def _listen(self, heard):
        """Add to `heard` the ranks that have failed, until all have or patience ends."""
        from mpi4py import MPI

        deadline, status = time.monotonic() + PATIENCE, MPI.Status()
        while len(heard) < self.size and time.monotonic() < deadline:
            while self._mpi.iprobe(tag=FAILED, status=status):
                self._mpi.recv(source=status.Get_source(), tag=FAILED)
                heard.add(status.Get_source())
            time.sleep(0.01)


def launched(environment=os.environ):
    """(number of processes, number of this one), as an MPI launcher tells them; (1, 0) without one."""
    for size, rank in LAUNCHERS:
        if environment.get(size, "").isdecimal() and environment.get(rank, "").isdecimal():
            return int(environment[size]), int(environment[rank])
    return 1, 0


@functools.cache
def world():
    """All processes that were launched together: Ranks, or ALONE. Raises UserError if they can't find each other."""
    size, _ = launched()
    if size == 1:
        return ALONE
    try:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"
        from mpi4py import MPI
    except (ImportError, RuntimeError) as fault:  # RuntimeError: mpi4py is there, an MPI library isn't
        raise UserError(
            f"{size} processes were launched, and they need mpi4py to work together ({fault}); install it with an MPI library: "
            'pip install -e ".[mpi]". With an MPI of your own, such as Debian\'s mpich or openmpi-bin: pip install mpi4py'
        ) from None
    ranks = Ranks(MPI.COMM_WORLD)
    if ranks.size != size:
        raise UserError(
            f"{size} processes were launched, but mpi4py finds {ranks.size}: its MPI library isn't the launcher's; start them "
            f"with the mpiexec beside {sys.executable}, or install mpi4py for the launcher's MPI"
        )
    _share_cores(MPI.COMM_WORLD)
    return ranks


def _share_cores(communicator):
    """Give BLAS this rank's share of its machine's cores, unless the environment says how many threads it has."""
    from mpi4py import MPI

    here = communicator.Split_type(MPI.COMM_TYPE_SHARED)
    own = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    sharing = here.allgather(own).count(own)  # a launcher may have bound each rank to cores of its own
    here.Free()
    if not any(name in os.environ for name in BLAS_THREADS):
        use_blas_threads(max(1, len(own) // sharing))


def _wait_until_read(*descriptors):
    """Until the other ends of these pipes have read all that is in them, or patience ends."""
    try:
        import fcntl
        import termios
    except ImportError:  # Windows
        time.sleep(0.5)
        return
    deadline = time.monotonic() + PATIENCE
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # not a pipe: nothing to wait for
            while any(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))) and time.monotonic() < deadline:
                time.sleep(0.01)


def _in_place():
    from mpi4py import MPI

    return MPI.IN_PLACE


def _lengths(rows, counts):
    """How many numbers each rank's rows have."""
    return [count * math.prod(rows.shape[1:]) for count in counts]
