"""Zip archives, as NumPy and PyTorch write them."""

import zipfile

KNOWN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others' decoders ask for gigabytes, or fail in ways of their own


def open_zip(file):
    """A ZipFile of a path or an open file, to be read. Raises what is in DAMAGED, or OSError."""
    archive = zipfile.ZipFile(file)
    if any(member.compress_type not in KNOWN for member in archive.infolist()):
        archive.close()
        raise zipfile.BadZipFile("packed in an unusual way")
    return archive
