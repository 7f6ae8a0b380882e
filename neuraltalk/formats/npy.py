"""The header of NumPy's .npy format."""

import numpy as np


def npy_header(file):
    """Read it -> shape, whether in Fortran's order, dtype; the file stands at the numbers then. Raises what is in DAMAGED."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read_header(file)
