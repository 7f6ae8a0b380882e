"""Features from the last convolution's map, conv5_3 after its ReLU, for pictures and for boxes in them.

    N, R   pictures, boxes
    C      channels, 512
    S      the map's side: 14 for a picture of 224 pixels, so one of its cells stands for 16 x 16 pixels
"""

import numpy as np

GRID = 2


def conv5_features(maps):
    """Maps (N, C, S, S) -> (N, 8 C): each channel's maximum over each cell of a 2 x 2 grid, then its mean likewise.

    Channel by channel, a channel's four cells row by row: 2048 maxima, 2048 means.
    """
    N, C, S, _ = maps.shape
    cells = maps.reshape(N, C, GRID, S // GRID, GRID, S // GRID)
    pooled = [cells.max(axis=(3, 5)), cells.mean(axis=(3, 5))]  # (N, C, GRID, GRID) each
    return np.concatenate([part.reshape(N, C * GRID**2) for part in pooled], axis=1)


def pool_boxes(conv5_map, boxes, size):
    """The maximum of each channel over each box -> (R, C), as in Fast R-CNN: one pass through the network for all boxes.

    conv5_map  (C, S, S), of the whole picture squashed to a square
    boxes      (R, 4) xmin, ymin, xmax, ymax in pixels of the picture, inside it
    size       (width, height) of the picture

    All cells count that a box touches.
    """
    C, S, _ = conv5_map.shape
    edges = np.asarray(boxes, np.float64) / np.array(tuple(size) * 2) * S  # counted in cells
    first = np.clip(np.floor(edges[:, :2]), 0, S - 1).astype(int)
    behind = np.clip(np.ceil(edges[:, 2:]), first + 1, S).astype(int)
    pooled = np.empty((len(edges), C), conv5_map.dtype)
    for r, ((x0, y0), (x1, y1)) in enumerate(zip(first, behind)):
        pooled[r] = conv5_map[:, y0:y1, x0:x1].max(axis=(1, 2))
    return pooled
