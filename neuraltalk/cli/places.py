"""Where commands read and write: the folder of the data sets, and checks of places before anything is done."""

import pathlib
import tempfile

from neuraltalk.errors import UserError

DATA = pathlib.Path("data")


def check_output_folder(folder, option="--output"):
    """Make `folder` and refuse it if nothing can be written there, before any work."""
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as fault:
        raise UserError(
            f"{folder}: can't write there ({fault.strerror}); choose another folder with {option}"
        ) from None


def check_page_name(path, option="--output"):
    """Refuse a page under a name that isn't one's, which may be that of something else."""
    if pathlib.Path(path).suffix.lower() not in (".html", ".htm"):
        raise UserError(f"{option} {path}: a page's name ends in .html; give such a file")
