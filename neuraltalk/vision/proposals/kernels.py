"""Jitted twins of the proposals' inner loops; segmentation.py, grouping.py, objectness.py and suppression.py hold the definitions.

Gains are those that `python benchmarks/proposals.py data/flickr8k --kernels` prints.
"""

from numba import njit


@njit(cache=True, nogil=True)
def _root(parents, pixel):
    while parents[pixel] != pixel:
        parents[pixel] = parents[parents[pixel]]
        pixel = parents[pixel]
    return pixel


@njit(cache=True, nogil=True)
def join_pieces(pixels, others, weights, k, smallest, parents, sizes, limits):
    """Twin of `segmentation.join_pieces`, some 270 times as fast: NumPy can't walk edges in turn, so that loop is Python."""
    for pixel in range(len(parents)):
        parents[pixel] = pixel
        sizes[pixel] = 1
        limits[pixel] = k
    for own in (False, True):  # by the colours, then by the sizes
        for e in range(len(pixels)):
            a, b = _root(parents, pixels[e]), _root(parents, others[e])
            if a == b:
                continue
            if own:
                joins, limit = min(sizes[a], sizes[b]) < smallest, limits.dtype.type(0)
            else:
                limit = limits.dtype.type(weights[e])
                joins = limit <= min(limits[a], limits[b])
            if joins:
                a, b = min(a, b), max(a, b)
                parents[b] = a
                sizes[a] += sizes[b]
                limits[a] = limit + k / limits.dtype.type(sizes[a])
    for pixel in range(len(parents)):
        parents[pixel] = _root(parents, pixel)


@njit(cache=True, nogil=True)
def _alike(weights, colours, textures, boxes, sizes, pixels, i, j, row_i, row_j):
    colour = texture = 0.0
    if weights[0]:
        for c in range(colours.shape[1]):
            colour += min(colours[i, c], colours[j, c])
    if weights[1]:
        for t in range(textures.shape[1]):
            texture += min(textures[i, t], textures[j, t])
    width = max(boxes[row_i, 2], boxes[row_j, 2]) - min(boxes[row_i, 0], boxes[row_j, 0])
    height = max(boxes[row_i, 3], boxes[row_j, 3]) - min(boxes[row_i, 1], boxes[row_j, 1])
    both = sizes[row_i] + sizes[row_j]
    return (
        weights[0] * colour
        + weights[1] * texture
        + weights[2] * (1 - both / pixels)
        + weights[3] * (1 - (width * height - both) / pixels)
    )


@njit(cache=True, nogil=True)
def _best_of(likeness, i):
    """The first slot that is most like slot i."""
    best = 0
    for other in range(1, likeness.shape[1]):
        if likeness[i, other] > likeness[i, best]:
            best = other
    return best


@njit(cache=True, nogil=True)
def group_pieces(weights, neighbours, colours, textures, likeness, boxes, sizes, rooms):
    """Twin of `grouping.group_pieces`, some 27 times as fast: each slot remembers its best neighbour, so a join costs n steps,
    not n^2.
    """
    n = len(neighbours)
    row, best = rooms[0], rooms[1]
    pixels = 0.0
    for i in range(n):
        row[i] = i
        pixels += sizes[i]
    for i in range(n):
        for j in range(i):
            if neighbours[i, j]:
                likeness[i, j] = _alike(weights, colours, textures, boxes, sizes, pixels, i, j, i, j)
                likeness[j, i] = likeness[i, j]
    for i in range(n):
        best[i] = _best_of(likeness, i)
    for new in range(n, 2 * n - 1):
        i = 0
        for slot in range(1, n):
            if likeness[slot, best[slot]] > likeness[i, best[i]]:
                i = slot
        j = best[i]
        a, b = sizes[row[i]], sizes[row[j]]
        sizes[new] = a + b
        for side in range(2):
            boxes[new, side] = min(boxes[row[i], side], boxes[row[j], side])
            boxes[new, 2 + side] = max(boxes[row[i], 2 + side], boxes[row[j], 2 + side])
        for c in range(colours.shape[1]):
            colours[i, c] = (a * colours[i, c] + b * colours[j, c]) / (a + b)
        for t in range(textures.shape[1]):
            textures[i, t] = (a * textures[i, t] + b * textures[j, t]) / (a + b)
        row[i] = new
        for other in range(n):
            beside = other != i and other != j and (neighbours[i, other] or neighbours[j, other])
            neighbours[i, other] = neighbours[other, i] = beside
            neighbours[j, other] = neighbours[other, j] = False
            likeness[i, other] = likeness[other, i] = -1.0
            likeness[j, other] = likeness[other, j] = -1.0
            if beside:
                likeness[i, other] = _alike(weights, colours, textures, boxes, sizes, pixels, i, other, new, row[other])
                likeness[other, i] = likeness[i, other]
        for other in range(n):
            if other == i or best[other] == i or best[other] == j:
                best[other] = _best_of(likeness, other)
            elif likeness[other, i] > likeness[other, best[other]] or (
                likeness[other, i] == likeness[other, best[other]] and i < best[other]
            ):
                best[other] = i


@njit(cache=True, nogil=True)
def keep_apart(boxes, order, threshold, kept, count):
    """Twin of `suppression.keep_apart`, some 36 times as fast."""
    filled = 0
    for p in order:
        if filled == len(kept):
            break
        area = (boxes[p, 2] - boxes[p, 0]) * (boxes[p, 3] - boxes[p, 1])
        apart = True
        for k in range(filled):
            q = kept[k]
            width = min(boxes[p, 2], boxes[q, 2]) - max(boxes[p, 0], boxes[q, 0])
            height = min(boxes[p, 3], boxes[q, 3]) - max(boxes[p, 1], boxes[q, 1])
            if width > 0 and height > 0:
                shared = width * height
                union = area + (boxes[q, 2] - boxes[q, 0]) * (boxes[q, 3] - boxes[q, 1]) - shared
                if shared > threshold * union:
                    apart = False
                    break
        if apart:
            kept[filled] = p
            filled += 1
    count[0] = filled


@njit(cache=True, nogil=True)
def agreement(boxes, counts, least, out):
    """Twin of `objectness.agreement`, some 47 times as fast; each pair is looked at once."""
    P = len(boxes)
    for p in range(P):
        out[p] = counts[p]
    for p in range(P):
        area = (boxes[p, 2] - boxes[p, 0]) * (boxes[p, 3] - boxes[p, 1])
        for q in range(p):
            width = min(boxes[p, 2], boxes[q, 2]) - max(boxes[p, 0], boxes[q, 0])
            if width <= 0:
                continue
            height = min(boxes[p, 3], boxes[q, 3]) - max(boxes[p, 1], boxes[q, 1])
            if height <= 0:
                continue
            shared = width * height
            if shared >= least * (area + (boxes[q, 2] - boxes[q, 0]) * (boxes[q, 3] - boxes[q, 1]) - shared):
                out[p] += counts[q]
                out[q] += counts[p]


@njit(cache=True, nogil=True)
def straddling(labels, sizes, boxes, inside, out):
    """Twin of `objectness.straddling`, some 4 times as fast."""
    for p in range(len(boxes)):
        xmin, ymin, xmax, ymax = boxes[p]
        inside[:] = 0
        for y in range(ymin, ymax):
            for x in range(xmin, xmax):
                inside[labels[y, x]] += 1
        across = 0
        for piece in range(len(sizes)):
            across += min(inside[piece], sizes[piece] - inside[piece])
        out[p] = 1 - across / ((xmax - xmin) * (ymax - ymin))
