"""The pictures of a folder, and which rows of a feature file are theirs."""

import pathlib

from neuraltalk.cli import console
from neuraltalk.errors import UserError
from neuraltalk.wording import are, plural


def rows_of(file, paths):
    """Which rows of a feature file are of these pictures -> (those that have one, their rows, how many rows there should be).

    The file's own list of names (neuraltalk extract writes it) says so; without one the rows are those of `paths` in order.
    """
    from neuraltalk.data.feature_writer import names_beside

    listed = names_beside(file)
    if not listed.is_file():
        return paths, range(len(paths)), len(paths)
    row_of = {path: row for row, path in enumerate(read_tasks(listed))}
    measured, new = [path for path in paths if path in row_of], [path for path in paths if path not in row_of]
    again = f"neuraltalk extract {file.parent} --force measures all again"
    if not measured:
        raise UserError(f"{file}: has features of other pictures than those in {file.parent}, such as {new[0].name}; {again}")
    if new:
        added = f"{new[0].name} and {plural(len(new) - 1, 'other')} were" if new[1:] else f"{new[0].name} was"
        console.say(f"{added} added since {file} was made: left out ({again})")
    return measured, [row_of[path] for path in measured], len(row_of)


def pictures_of(root):
    """The pictures of a folder: those that its tasks.txt lists, or all, by name."""
    from neuraltalk.vision.pictures import list_pictures

    tasks, there = root / "tasks.txt", list_pictures(root)
    paths = read_tasks(tasks) if tasks.is_file() else there
    if not paths:
        raise UserError(f"{root}: no pictures there; give a folder with some")
    left_out = sorted(set(there) - set(paths))
    if left_out:
        console.say(
            f"{len(left_out):,} of the pictures in {root} {are(len(left_out))}n't in its tasks.txt, and {are(len(left_out))} left out: "
            f"{left_out[0].name}"
        )
    return paths


def read_tasks(path):
    """The pictures that a tasks.txt lists, one file name a line; blank lines don't count."""
    from neuraltalk.formats.whole import read_text

    names = [name for line in read_text(path).splitlines() if (name := line.strip())]
    for name in names:
        pure = pathlib.PurePath(name)
        if pure.is_absolute() or ".." in pure.parts or "\0" in name:
            raise UserError(f"{path}: {name!r:.80} is outside the folder; expected file names within {path.parent}")
    return [path.parent / name for name in names]
