"""Pictures from files: any mode that Pillow can decode becomes 8-bit RGB as a person would see it."""

import contextlib
import pathlib
import warnings

import numpy as np

from neuraltalk.errors import UserError

# Formats that are listed by Pillow but aren't pictures by themselves: page descriptions that start another program
# (Ghostscript), video that is only recognised, and vector or scientific formats which need a handler from outside; FITS, whose
# packed form is unpacked pixel by pixel, in Pillow's older versions without any limit.
_EXCLUDED = {"EPS", "MPEG", "WMF", "GRIB", "BUFR", "HDF5", "FITS"}
MOST_SCANS = 200  # of a JPEG; progressive ones have ten. Each goes over the whole picture, however few bytes it has
LARGEST_TILE = 1 << 24  # pixels of a TIFF's tiles, which are unpacked as a whole; libraries write up to 1024 x 1024


def open_picture(path):
    """Read the picture in the file `path`; returns a PIL image of mode RGB.

    Animations give their first frame, transparent pictures are laid on white, photographs are turned as their EXIF tag
    asks, and 16-bit or floating-point greys are brought to 0..255. The format is recognised by content, not by name.

    Raises UserError (one line) if the file is missing, isn't a picture, is damaged or cut short, or is so large that it
    is more likely an attack on memory than a picture (Pillow's limit, about 90 million pixels).
    """
    from PIL import ImageOps

    with _opened(path) as file:
        _check_work(path, file)
        file.load()
        try:
            ImageOps.exif_transpose(file, in_place=True)
        except Exception:  # a damaged tag says nothing about the pixels: show them as they are stored
            pass
        return to_rgb(file)


def _check_work(path, file):
    """Refuse an opened picture whose decoding takes far more time or memory than its pixels and bytes account for."""
    if file.format in ("JPEG", "MPO", "BLP"):
        with open(path, "rb") as opened:  # the mark of a scan isn't among a scan's own bytes
            scans = sum(block.count(b"\xff\xda") for block in iter(lambda: opened.read(1 << 20), b""))
        if scans > MOST_SCANS:
            raise ValueError(f"{scans:,} scans")
    if file.format == "TIFF":
        width, height = (file.tag_v2.get(tag, 0) for tag in TILE)
        if width * height > max(LARGEST_TILE, file.width * file.height):
            raise ValueError(f"tiles of {width} x {height} pixels")


TILE = 322, 323  # TIFF's tags


def picture_size(path):
    """(width, height) of the picture in the file `path`, as open_picture gives it, without decoding it.

    Raises UserError as open_picture does, as far as the file's head tells.
    """
    with _opened(path) as file:
        width, height = file.size
        try:
            turned = file.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
        except Exception:  # a damaged tag, as above
            turned = False
        return (height, width) if turned else (width, height)


ORIENTATION = 0x0112  # EXIF's tag; 5 to 8 lie on their side


@contextlib.contextmanager
def _opened(path):
    """The PIL file in `path`, for a block in which it's read; whatever is wrong with it becomes a UserError."""
    from PIL import Image

    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such picture file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders warn about odd metadata, which doesn't matter here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=readable_formats()) as file:
                yield file
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(
            f"{path}: more than {Image.MAX_IMAGE_PIXELS / 1e6:.0f} million pixels; make the picture smaller"
        ) from None
    except Image.UnidentifiedImageError:
        raise UserError(f"{path}: not a picture in a format that Pillow can read; convert it to PNG or JPEG") from None
    except Exception as error:  # damaged files make decoders raise nearly anything (OSError, SyntaxError, struct.error)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: the picture is damaged or cut short ({reason}); save it again or remove it") from None


def open_rgb(picture):
    """A path or a PIL image of any mode -> an RGB PIL image. Raises UserError for an unreadable file."""
    if not hasattr(picture, "getbbox"):
        return open_picture(picture)
    return picture if picture.mode == "RGB" else to_rgb(picture)


def to_rgb(image):
    """The PIL `image` of any mode as a new RGB image; transparent parts become white.

    16-bit greys keep their full scale (65535 is white). Floating-point greys within 0..1 take 1 as white, and greys
    that fit no known scale are stretched from their smallest to their largest value.
    """
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        low, high = _scale(image)
        return _in_strips(image, lambda strip: _grey_to_8_bits(np.asarray(strip), low, high))
    if mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _in_strips(image, _on_white)
    return image.convert("RGB") if mode != "RGB" else image.copy()


STRIP = 1 << 20  # pixels that are brought from one mode to another at a time


def _in_strips(image, convert):
    """What `convert` makes of each strip of an image, as an RGB image. What a conversion needs meanwhile stays small."""
    from PIL import Image

    result = Image.new("RGB", image.size)
    for box, strip in _strips(image):
        result.paste(convert(strip), box)
    return result


def _strips(image):
    """Yield (box, part of the image), some rows at a time."""
    width, height = image.size
    rows = max(1, STRIP // max(width, 1))
    for top in range(0, height, rows):
        box = (0, top, width, min(top + rows, height))
        yield box, image.crop(box)


def _on_white(image):
    """A picture with transparent parts -> RGB."""
    from PIL import Image

    if image.mode == "La":
        image = image.convert("LA")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _scale(image):
    """The grey levels that are black and white, for a whole image."""
    ends = [(part.min(), part.max()) for part in (_finite(np.asarray(strip)) for _, strip in _strips(image))]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if image.mode == "F" and 0 <= low and high <= 1:
        return 0, 1
    if image.mode.startswith("I;16"):
        return 0, 65535
    if 0 <= low and high <= 65535:
        return 0, 255 if high <= 255 else 65535
    return low, high


def _grey_to_8_bits(values, low, high):
    """Grey levels (rows, columns) of 16 or 32 bits or floating point -> an RGB image."""
    from PIL import Image

    grey = np.round((_finite(values) - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _finite(values):
    """Grey levels in 64 bits; what is no number is black."""
    return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)


def list_pictures(folder):
    """The pictures directly in `folder`, as a list of paths sorted by file name.

    A picture is a file whose extension (in any case) belongs to a format that Pillow can read; hidden files don't
    count. Raises UserError if `folder` isn't a folder. The list may be empty.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder that holds the pictures")
    extensions = picture_extensions()
    return sorted(
        (
            path
            for path in folder.iterdir()
            if path.suffix.lower() in extensions and not path.name.startswith(".") and path.is_file()
        ),
        key=lambda path: path.name,
    )


def picture_extensions():
    """Extensions of file names, such as ".png", of the formats that Pillow can decode by itself; a set."""
    from PIL import Image

    readable = set(readable_formats())
    return {extension for extension, name in Image.registered_extensions().items() if name in readable}


def readable_formats():
    """Names of the formats that Pillow can decode by itself, such as "PNG"; a sorted list."""
    from PIL import Image

    Image.init()
    return sorted(set(Image.OPEN) - _EXCLUDED)
