"""Boxes in pictures."""

import numpy as np

from neuraltalk.errors import UserError


def check_boxes(boxes, size):
    """`boxes` (R, 4), xmin, ymin, xmax, ymax in pixels, as float64, cut to a picture of `size` (width, height).

    Raises UserError for a box that isn't four finite numbers with some of the picture inside.
    """
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise UserError(f"boxes have the shape {boxes.shape}; expected (R, 4): xmin, ymin, xmax, ymax of each")
    cut = np.clip(boxes, 0, np.array(size * 2, np.float64))
    for r, (given, inside) in enumerate(zip(boxes, cut)):
        if not (np.isfinite(given).all() and inside[0] < inside[2] and inside[1] < inside[3]):
            numbers = ", ".join(f"{number:g}" for number in given)
            raise UserError(
                f"box {r} ({numbers}) holds nothing of a picture of {size[0]} x {size[1]} pixels; "
                "expected xmin < xmax and ymin < ymax"
            )
    return cut
