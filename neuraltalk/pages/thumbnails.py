"""Small copies of pictures, as text that fits into a page."""

import base64
import io


def thumbnail(picture, size=360, quality=82):
    """A PIL picture, shrunk to at most `size` pixels a side, as (data URL of a JPEG, width, height).

    quality is JPEG's, 0 to 95; a picture that was small already gets 10 more: it will be enlarged, and shows more of what
    JPEG does to it.
    """
    from PIL import Image

    small = picture.convert("RGB")
    if max(small.size) > size:
        small.thumbnail((size, size), Image.Resampling.LANCZOS)
    else:
        quality += 10
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"), *small.size
