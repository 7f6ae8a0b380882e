"""A pen that draws in a thing's own coordinates: x and y from 0 to 1 over its place, mirrored if it faces left.

It keeps the extent of all that it drew, so that a thing's box is what one sees of it.
"""

import math

OUTLINE = (38, 34, 48)


def mix(colour, other, share):
    """`colour` with `share` (0..1) of `other` in it."""
    return tuple(round(a + (b - a) * share) for a, b in zip(colour, other))


def darker(colour, share=.25):
    return mix(colour, (20, 16, 40), share)


def lighter(colour, share=.35):
    return mix(colour, (255, 255, 255), share)


def curve(start, middle, end, n=12):
    """n + 1 points of the quadratic curve from start to end that leans towards middle."""
    points = []
    for k in range(n + 1):
        t = k / n
        points.append(tuple((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c for a, b, c in zip(start, middle, end)))
    return points


class Pen:
    """draw (ImageDraw), left, top, width, height in units of the picture, side (pixels of the picture's side)."""

    def __init__(self, draw, left, top, width, height, side, faces=1, line=.0105):
        self.draw, self.side, self.faces = draw, side, faces
        self.left, self.top, self.width, self.height = left, top, width, height
        self.line_width = max(2, round(line * side))
        self.extent = [math.inf, math.inf, -math.inf, -math.inf]

    def at(self, x, y):
        x = x if self.faces > 0 else 1 - x
        return (self.left + x * self.width) * self.side, (self.top + y * self.height) * self.side

    def _see(self, points, margin=0):
        for x, y in points:
            box = self.extent
            box[0], box[1] = min(box[0], x - margin), min(box[1], y - margin)
            box[2], box[3] = max(box[2], x + margin), max(box[3], y + margin)

    def polygon(self, points, fill, outline=OUTLINE):
        points = [self.at(*p) for p in points]
        self.draw.polygon(points, fill)
        if outline:
            self._stroke([*points, points[0], points[1]], outline, self.line_width)
        self._see(points, self.line_width / 2 if outline else 0)

    def _stroke(self, points, colour, width):
        self.draw.line(points, colour, width, joint="curve")
        for x, y in (points[0], points[-1]):
            r = width / 2
            self.draw.ellipse((x - r, y - r, x + r, y + r), colour)

    def line(self, points, colour=OUTLINE, width=None, outline=None):
        """A stroke through points; `width` in pixels; with `outline`, a limb with a border."""
        points = [self.at(*p) for p in points]
        width = round(width or self.line_width)
        if outline:
            self._stroke(points, outline, width + 2 * self.line_width)
        self._stroke(points, colour, width)
        self._see(points, width / 2)

    def oval(self, x, y, rx, ry, fill, outline=OUTLINE):
        """An ellipse with middle (x, y); rx and ry in units of the thing's width and height."""
        cx, cy = self.at(x, y)
        rx, ry = abs(rx * self.width * self.side), abs(ry * self.height * self.side)
        self.draw.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill, outline, self.line_width if outline else 0)
        self._see([(cx - rx, cy - ry), (cx + rx, cy + ry)])

    def circle(self, x, y, r, fill, outline=OUTLINE):
        """r in units of the thing's height."""
        self.oval(x, y, r * self.height / self.width, r, fill, outline)

    def pie(self, x, y, rx, ry, start, end, fill):
        """A slice of an ellipse, degrees clockwise from the right; not mirrored, not part of the extent."""
        cx, cy = self.at(x, y)
        rx, ry = rx * self.width * self.side, ry * self.height * self.side
        self.draw.pieslice((cx - rx, cy - ry, cx + rx, cy + ry), start, end, fill)

    def box(self, x0, y0, x1, y1, fill, radius=0., outline=OUTLINE):
        """A rectangle with rounded corners (radius in units of the picture)."""
        (ax, ay), (bx, by) = self.at(x0, y0), self.at(x1, y1)
        ax, bx = min(ax, bx), max(ax, bx)
        self.draw.rounded_rectangle((ax, ay, bx, by), radius * self.side, fill, outline, self.line_width if outline else 0)
        self._see([(ax, ay), (bx, by)])
