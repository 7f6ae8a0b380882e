"""Where fetched weights live: one folder for all projects of a user."""

import os
import pathlib
import sys


def cache_folder():
    """NEURALTALK_CACHE, or `neuraltalk` in the platform's place for caches. It needn't exist."""
    chosen = os.environ.get("NEURALTALK_CACHE")
    if chosen:
        return pathlib.Path(chosen)
    home = pathlib.Path.home()
    if sys.platform == "win32":
        return pathlib.Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "neuraltalk" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "neuraltalk"
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "neuraltalk"
