"""Where a box lies in its image and how large it is, as numbers of which a linear map can make a curve.

    share    left, top, right, bottom, width, height of a box, each as a share (0..1) of its image
    g_nk   = SCALE cos(k pi share_n),   k = 1 .. WAVES

A weight for each wave draws any smooth curve over each share: "grass" may like boxes that are low and wide, and what is held
in a hand small ones. (A box's share itself would leave only "the larger, the better", or the worse.)

    R    boxes of all images        K    images        G = 6 WAVES numbers
"""

import numpy as np

WAVES = 4
SCALE = 0.15  # makes g about half as long as a centred feature vector
G = 6 * WAVES


def box_geometry(boxes, offsets):
    """From boxes (R, 4), xmin, ymin, xmax, ymax, and offsets (K + 1,) to g (R, G).

    Image k has the rows offsets[k] .. offsets[k + 1], its first box is all of it. The boxes' unit doesn't matter. What of a box
    reaches beyond its image is cut off; an image without extent has all its boxes in one point.
    """
    whole = np.repeat(boxes[offsets[:-1]], np.diff(offsets), axis=0)        # (R, 4)
    size = np.maximum(whole[:, 2:] - whole[:, :2], np.finfo(boxes.dtype).tiny)
    begin = np.clip((boxes[:, :2] - whole[:, :2]) / size, 0, 1)             # (R, 2) left, top
    end = np.clip((boxes[:, 2:] - whole[:, :2]) / size, 0, 1)               # (R, 2) right, bottom
    shares = np.concatenate([begin, end, end - begin], axis=1)              # (R, 6)
    waves = np.cos(np.pi * shares[:, :, None] * np.arange(1, WAVES + 1, dtype=boxes.dtype))     # (R, 6, WAVES)
    return SCALE * waves.reshape(len(boxes), G)
