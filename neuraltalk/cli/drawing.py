"""The embedded pictures: drawn, and their regions measured, by the first command that finds them missing."""

from neuraltalk.cli import console
from neuraltalk.cli.places import DATA
from neuraltalk.errors import UserError
from neuraltalk.files import lock_beside, lock_inside, locked


def dataset_folder(name):
    """The folder of a data set that a user names; the embedded one is drawn if it is absent. Raises UserError if there is none."""
    from neuraltalk.data.dataset import find_dataset

    if name == "scenes":
        draw_absent_scenes(DATA / "scenes")
    return find_dataset(name, DATA)


def draw_absent_scenes(folder):
    """Make the embedded data set unless it is there, or wait for the process that is making it."""
    if (folder / "dataset.json").exists():
        return
    from neuraltalk.data.scenes.build import build_scenes

    with locked(lock_beside(folder), folder, waiting=console.say):
        if not (folder / "dataset.json").exists():
            console.say(f"drawing the embedded pictures into {folder}, once")
            build_scenes(folder, progress=console.counted("drawing and measuring, step"))


def draw_absent_regions(folder):
    """Make the region file of embedded pictures, if `folder` holds such without one."""
    from neuraltalk.data.regions import NAMES

    def absent():
        return not any((folder / name).is_file() for name in NAMES)

    if not all((folder / name).is_file() for name in ("scenes.json", "extractor.npz")) or not absent():
        return
    from neuraltalk.data.scenes.regions import write_regions

    with locked(lock_inside(folder), folder, waiting=console.say):
        if absent():  # nobody else made it meanwhile
            console.say(f"measuring the regions of the embedded pictures into {folder}, once")
            write_regions(folder, seed_of(folder), console.counted("measuring regions, picture"))


def seed_of(folder):
    """The seed of a built folder of scenes."""
    from neuraltalk.formats.whole import read_json

    seed = read_json(folder / "dataset.json").get("seed", 0)
    if type(seed) is not int or seed < 0:
        raise UserError(f"{folder / 'dataset.json'}: its seed should be a whole number, not {seed!r:.40}; draw the pictures again")
    return seed
