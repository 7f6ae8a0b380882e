"""What the readers of HDF5 files share."""

MAGIC = b"\x89HDF\r\n\x1a\n"
START = 520  # bytes that is_hdf5 looks at


def is_hdf5(start):
    """Whether a file that begins with `start` is HDF5; MATLAB 7.3 puts 512 bytes of its own before it."""
    return start.startswith(MAGIC) or start[512:520] == MAGIC


def has(group, name, kind):
    """Whether a group itself has a member of this kind; links (they may lead to other files) aren't followed."""
    import h5py

    return isinstance(group.get(name, getlink=True), h5py.HardLink) and isinstance(group[name], kind)


def read_numbers(dataset):
    """All numbers of a dataset. Raises ValueError unless they are numbers, in this very file."""
    if dataset.dtype.kind not in "fiu" or dataset.is_virtual or dataset.external:
        raise ValueError(f"{dataset.name} holds no numbers of its own")
    return dataset[()]
