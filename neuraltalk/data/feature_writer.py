"""Writing feature files row by row, in whatever size: MATLAB 7.3 and .npy. feature_files.py maps both without reading them.

    N    rows: images, or regions of all images
    D    numbers a row

MATLAB 7.3 is HDF5 behind 512 bytes of text, and shows a matrix transposed: N x D here is D x N there, as vgg_feats.mat has
been since the original. (MATLAB 5 ends at 2 GB a matrix: 130,000 pictures.) Numbers lie in the file in one piece, unpacked,
so that a batch's rows are read where they are.
"""

import contextlib
import pathlib

import numpy as np

from neuraltalk.files import replaced, write_atomically

ROOM = 1 << 16  # bytes: what HDF5 writes besides numbers is less
_MATLAB_CLASSES = {"float32": b"single", "int32": b"int32"}


@contextlib.contextmanager
def write_matlab(path, shapes):
    """Write a MATLAB 7.3 file: the block gets {name: binary file}, each to be filled with its rows' bytes in order.

    shapes: name -> (N, D), dtype ("float32" or "int32"). The file appears as a whole when the block ends without an error.
    HDF5's library makes room and says what is where; the numbers we write ourselves, since it crashes on a full disk.
    """
    import h5py

    with replaced(path) as temporary, contextlib.ExitStack() as stack:
        with open(temporary, "wb") as file:
            file.write(bytes(ROOM))  # is there any?
        places = {}
        with h5py.File(temporary, "w", userblock_size=512, locking=False) as file:  # replaced() has it locked
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            layout.set_layout(h5py.h5d.CONTIGUOUS)
            layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            layout.set_obj_track_times(False)  # equal content, equal bytes
            for name, (shape, dtype) in shapes.items():
                kind, space = h5py.h5t.py_create(np.dtype(f"<{np.dtype(dtype).str[1:]}")), h5py.h5s.create_simple(shape)
                made = h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, layout))
                made.attrs["MATLAB_class"] = np.bytes_(_MATLAB_CLASSES[dtype])
                places[name] = made.id.get_offset()
        parts = {name: stack.enter_context(open(temporary, "r+b")) for name in places}
        for name, part in parts.items():
            part.seek(places[name] or 0)  # None: no rows
        yield parts
        with open(temporary, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, written by NeuralTalk".ljust(116) + bytes(8) + b"\x00\x02IM")


def names_beside(path):
    """The file that names the pictures that a feature file's rows are of, one a line, if no dataset.json numbers them."""
    return path.with_name(f"{path.name}.pictures.txt")


def write_feature_rows(path, rows, N, D):
    """Write features to `path`, a .mat (variable feats, D x N) or .npy (N x D) by its name.

    rows: an iterable of N rows (D,) float32, in order; held one at a time.
    """
    path = pathlib.Path(path)
    if path.suffix == ".mat":
        with write_matlab(path, {"feats": ((N, D), "float32")}) as parts:
            for row in rows:
                parts["feats"].write(row.astype("<f4", copy=False).tobytes())
        return
    with write_atomically(path) as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (N, D)})
        for row in rows:
            file.write(row.astype("<f4", copy=False).tobytes())


def write_region_rows(path, regions, M, D):
    """Write a region file (regions.py) in MATLAB 7.3's format.

    regions: an iterable of (boxes (R, 4), features (R, D)) for each image in order, the whole image first in each.
    M: regions of all images together.
    """
    shapes = {"feats": ((M, D), "float32"), "boxes": ((M, 4), "float32"), "image": ((M, 1), "int32")}
    with write_matlab(path, shapes) as parts:
        for imgid, (boxes, features) in enumerate(regions):
            parts["feats"].write(features.astype("<f4", copy=False).tobytes())
            parts["boxes"].write(boxes.astype("<f4", copy=False).tobytes())
            parts["image"].write(np.full(len(boxes), imgid, "<i4").tobytes())
