"""How damaged files show, and what is said about them."""

import struct
import tokenize
import zipfile
import zlib

from neuraltalk.errors import UserError

# What NumPy, zipfile, h5py and our own readers raise while they parse damaged files (a .npy header is a Python literal)
DAMAGED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    SyntaxError,
    RuntimeError,
    MemoryError,
    EOFError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def damaged(path, fault=None):
    """The error for a file whose inside makes no sense; fault: what was raised, or a few words."""
    detail = " ".join(str(fault or "").split())[:120]
    return UserError(f"{path}: damaged or cut short{f' ({detail})' if detail else ''}; fetch it or make it again")
