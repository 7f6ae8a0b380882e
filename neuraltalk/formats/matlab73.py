"""Nested values of MATLAB's 7.3 files, which are HDF5: the same as matlab5.read_value gives.

A struct is a group with a member for each field. A cell is a dataset of references to its values. Numbers and texts (one
number a letter) are datasets whose dimensions are the other way round. The attribute MATLAB_class says which it is.
"""

import h5py
import numpy as np

from neuraltalk.formats import hdf5

MAX_DEPTH, MAX_PLACES = 12, 100_000
LETTER = 200  # bytes that a letter is charged: it takes time as well


def read_values(path, names, budget):
    """The variables of these names that the file has -> name -> value. Raises what is in DAMAGED, or OSError.

    budget: the bytes that they may take together, at most.
    """
    with h5py.File(path, "r") as file:
        values = _Values(file, budget)
        return {name: values.of(file[name], 0) for name in names if hdf5.has(file, name, (h5py.Group, h5py.Dataset))}


class _Values:
    """One walk through nested values."""

    def __init__(self, file, budget):
        self.file, self.budget = file, budget

    def charge(self, size):
        self.budget -= size
        if self.budget < 0:
            raise ValueError("more than there should be")

    def of(self, member, depth):
        self.charge(4096)  # a value takes time as well: some hundred thousand are allowed, however the file repeats them
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        if isinstance(member, h5py.Group):
            fields = [name for name in member if hdf5.has(member, name, (h5py.Group, h5py.Dataset))]
            return {name: self.of(member[name], depth + 1) for name in fields}
        kind = member.attrs.get("MATLAB_class", b"")
        if member.attrs.get("MATLAB_empty", 0):
            return [] if kind == b"cell" else "" if kind == b"char" else None
        if member.dtype == h5py.ref_dtype:
            if member.size > MAX_PLACES:
                raise ValueError(f"a cell of {member.size} places")
            return [self.of(self.file[reference], depth + 1) for reference in member[()].ravel()]
        self.charge(member.size * (LETTER if kind == b"char" else member.dtype.itemsize))
        numbers = hdf5.read_numbers(member)
        return "".join(map(chr, numbers.ravel())) if kind == b"char" else np.asarray(numbers).T
