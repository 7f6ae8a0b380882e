"""Which picture a name means: captions and lists of splits name pictures more or less as the folder does.

With other folders before the name, in another case, without the extension, with / or \\, with accents taken apart (as macOS
has them). But never with a folder of another name: of cats/001.jpg nothing can be said by dogs/001.jpg.
"""

import os
import pathlib
import re
import unicodedata

from neuraltalk.errors import UserError


class Pictures:
    """The pictures below a folder.

    paths    set of str, relative, with "/"
    """

    def __init__(self, folder):
        from neuraltalk.vision.pictures import picture_extensions

        extensions = picture_extensions()
        self.folder = folder
        self.paths = set()
        for place, _, names in os.walk(folder):
            relative = pathlib.Path(place).relative_to(folder)
            for name in names:
                if os.path.splitext(name)[1].lower() in extensions and not name.startswith("."):
                    self.paths.add((relative / name).as_posix())
        self._by_path = {_plain(path): path for path in self.paths}
        self._by_name = {}  # as keys() has them -> paths
        for path in sorted(self.paths):
            for key in keys(path):
                self._by_name.setdefault(key, []).append(path)

    def find(self, name):
        """The path of the picture that a name means, or None; of several the one with most folders in common.

        Raises UserError if there are several of these.
        """
        name = _plain(name)
        if name in self._by_path:
            return self._by_path[name]
        fits = [path for path in self._by_name.get(keys(name)[0], []) if agree(path, name)]
        closeness = [_closeness(_plain(path), name) for path in fits]
        closest = [path for path, own in zip(fits, closeness) if own == max(closeness)]
        if len(closest) > 1:
            raise UserError(
                f"{self.folder}: has {name!r} twice, {closest[0]} and {closest[1]}; name the pictures with their folder "
                "in the captions, or give a narrower --pictures"
            )
        return closest[0] if closest else None


def keys(name):
    """What names of one picture may share: its file name in lower case, and the same without extension."""
    file = _plain(name).rpartition("/")[2].lower()
    return (file, stem) if (stem := os.path.splitext(file)[0]) != file else (file,)


def agree(name, other):
    """Whether the folders that both names have are the same: imgs/x/a.jpg and x/a.jpg agree, x/a.jpg and y/a.jpg don't."""
    return all(own == theirs for own, theirs in zip(_folders(name), _folders(other)))


def _closeness(path, name):
    """How many folders the two share, and whether the file's name is exactly that."""
    return min(len(_folders(path)), len(_folders(name))), path.rpartition("/")[2] == name.rpartition("/")[2]


def _folders(name):
    """The folders before a name, the innermost first."""
    return _plain(name).lower().split("/")[-2::-1]


def _plain(name):
    """A name with "/" between folders, without "./" and "../" before them, its letters composed."""
    return unicodedata.normalize("NFC", re.sub(r"^(\.{1,2}/)+", "", name.replace("\\", "/")))
