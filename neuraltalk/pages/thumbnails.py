"""Small copies of pictures, as text that fits into a page."""

import base64
import io


def thumbnail(picture, size=360):
    """A PIL picture, shrunk to at most `size` pixels a side, as (data URL of a JPEG, width, height)."""
    from PIL import Image

    small, quality = (
        picture.convert("RGB"),
        92,
    )  # a small picture will be enlarged, and shows more of what JPEG does to it
    if max(small.size) > size:
        quality = 82
        small.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"), *small.size
