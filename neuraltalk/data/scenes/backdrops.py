"""The five settings, painted: soft and pale, so that the things in front stand out. All in units of the picture's side."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def backdrop(setting, time, rng, side):
    """Paint a setting at a time of day -> PIL RGB picture of side x side pixels."""
    return {"beach": _beach, "street": _street, "snow": _snow, "park": _park, "room": _room}[setting](time, rng, side)


def _gradient(side, *stops):
    """A picture whose rows go through (height, colour) stops."""
    heights, colours = zip(*stops)
    rows = np.arange(side) / side
    column = np.stack([np.interp(rows, heights, [c[k] for c in colours]) for k in range(3)], axis=1)  # (side, 3)
    return Image.fromarray(np.rint(column).astype(np.uint8)[:, None]).resize((side, side), Image.Resampling.NEAREST)


def _disc(draw, side, x, y, r, colour, squash=1.):
    draw.ellipse(((x - r) * side, (y - r * squash) * side, (x + r) * side, (y + r * squash) * side), colour)


def _cloud(draw, side, rng, colour):
    x, y, r = rng.uniform(.08, .92), rng.uniform(.07, .28), rng.uniform(.035, .055)
    for dx, dy, k in ((-1.5, .3, .7), (-.6, -.2, 1), (.6, 0, .95), (1.5, .35, .65)):
        _disc(draw, side, x + dx * r, y + dy * r, r * k, colour)


def _glow(picture, side, x, y, r, colour, halo):
    """A sun or a moon with a halo."""
    layer = Image.new("L", (side // 4, side // 4), 0)
    _disc(ImageDraw.Draw(layer), side // 4, x, y, r * 2, halo)
    layer = layer.filter(ImageFilter.GaussianBlur(side / 4 * r * .7)).resize((side, side))
    picture.paste(colour, (0, 0), layer)
    _disc(ImageDraw.Draw(picture), side, x, y, r, colour)


def _hills(draw, side, rng, base, height, colour):
    a, b = rng.uniform(0, 6.3, 2)
    xs = np.linspace(0, 1, 25)
    ys = base - height * (.55 + .3 * np.sin(3.1 * xs + a) + .15 * np.sin(7.3 * xs + b))
    draw.polygon([(0, side), *((float(x) * side, float(y) * side) for x, y in zip(xs, ys)), (side, side)], colour)


def _speckle(draw, side, rng, n, top, colour, r):
    for x, y, k in rng.uniform(0, 1, (n, 3)):
        _disc(draw, side, float(x), float(top + (1 - top) * y), float(r * (.5 + k)), colour, .6)


def _beach(time, rng, side):
    if time == "sunset":
        sky = ((0, (108, 90, 150)), (.28, (236, 142, 120)), (.46, (255, 212, 140)))
        sea, sand = ((.46, (196, 132, 128)), (.60, (98, 98, 140))), ((.60, (226, 184, 140)), (1, (206, 158, 118)))
    else:
        sky = ((0, (112, 184, 236)), (.46, (214, 240, 252)))
        sea, sand = ((.46, (64, 154, 196)), (.60, (126, 210, 218))), ((.60, (250, 232, 180)), (1, (236, 206, 146)))
    picture = _gradient(side, *sky, (.4601, sea[0][1]), sea[1], (.6001, sand[0][1]), sand[1])
    draw = ImageDraw.Draw(picture)
    if time == "sunset":
        _glow(picture, side, rng.uniform(.2, .8), .40, .07, (255, 236, 160), 150)
        sea_part = _gradient(side, *((y, c) for y, c in sea)).crop((0, round(.46 * side), side, round(.60 * side)))
        picture.paste(sea_part, (0, round(.46 * side)))
    else:
        _glow(picture, side, rng.choice([rng.uniform(.08, .3), rng.uniform(.7, .92)]), .12, .06, (255, 240, 150), 120)
        for _ in range(rng.integers(1, 4)):
            _cloud(draw, side, rng, (250, 253, 255))
    foam = (255, 240, 224) if time == "sunset" else (236, 250, 252)
    for y in (.49, .525, .56):
        phase = rng.uniform(0, 6.3)
        for k in range(4):
            x = (k + rng.uniform(0, .6)) / 4
            points = [((x + t * .02) * side, (y + .006 * math.sin(t * 1.3 + phase)) * side) for t in range(6)]
            draw.line(points, foam, max(1, round(.006 * side)))
    phase = rng.uniform(0, 6.3)
    edge = [(k / 30 * side, (.605 + .012 * math.sin(k * .6 + phase)) * side) for k in range(31)]
    draw.line(edge, foam, round(.018 * side))
    _speckle(draw, side, rng, 26, .64, tuple(c - 26 for c in sand[1][1]), .004)
    for _ in range(2):
        _disc(draw, side, rng.uniform(.05, .95), rng.uniform(.92, .98), .014, (250, 226, 206), .7)
    return picture


def _street(time, rng, side):
    night = time == "night"
    sky = ((0, (24, 28, 66)), (.5, (66, 62, 112))) if night else ((0, (150, 206, 240)), (.5, (226, 242, 250)))
    pavement, road = ((96, 96, 118), (62, 62, 80)) if night else ((206, 202, 196), (142, 144, 152))
    picture = _gradient(side, *sky, (1, sky[1][1]))
    draw = ImageDraw.Draw(picture)
    if night:
        for x, y in rng.uniform(0, 1, (26, 2)):
            _disc(draw, side, float(x), float(y) * .4, .0035, (230, 230, 250))
        _glow(picture, side, rng.uniform(.15, .85), .10, .05, (246, 242, 214), 90)
    else:
        for _ in range(rng.integers(1, 3)):
            _cloud(draw, side, rng, (252, 254, 255))
    walls = [(236, 204, 180), (214, 222, 200), (242, 226, 178), (208, 214, 230), (232, 200, 206)]
    x = -rng.uniform(0, .15)
    while x < 1:
        width, top = rng.uniform(.22, .32), rng.uniform(.20, .34)
        wall = walls[rng.integers(5)]
        roof = (168, 110, 96)
        if night:
            wall, roof = tuple(c // 2 - 10 for c in wall), (66, 46, 62)
        draw.rectangle((x * side, top * side, (x + width) * side, .64 * side), wall)
        peak = [(px * side, py * side) for px, py in ((x - .01, top), (x + width / 2, top - .10), (x + width + .01, top))]
        if rng.random() < .7:
            draw.polygon(peak, roof)
        else:
            draw.rectangle(((x - .008) * side, (top - .025) * side, (x + width + .008) * side, top * side), roof)
        for row in range(3):
            y = top + .05 + .11 * row
            if y > .56:
                break
            for k in range(3):
                left = x + width * (.12 + .29 * k)
                lit = night and rng.random() < .6
                glass = (252, 220, 130) if lit else (54, 56, 84) if night else (192, 220, 234)
                draw.rectangle((left * side, y * side, (left + width * .18) * side, (y + .06) * side), glass,
                               tuple(max(0, c - 40) for c in wall), max(1, side // 190))
        x += width + .015
    draw.rectangle((0, .64 * side, side, .74 * side), pavement)
    for k in range(9):
        left = (k / 8 + .03) * side
        draw.line([(left, .64 * side), (left - .02 * side, .74 * side)], tuple(c - 18 for c in pavement), max(1, side // 190))
    draw.rectangle((0, .735 * side, side, .755 * side), tuple(c - 30 for c in pavement))
    draw.rectangle((0, .755 * side, side, side), road)
    dash = rng.uniform(0, .25)
    for k in range(-1, 5):
        left = (k * .25 + dash) * side
        draw.rectangle((left, .955 * side, left + .13 * side, .975 * side), (226, 222, 202) if not night else (150, 148, 140))
    return picture


def _pine(draw, side, x, base, h, green):
    for k in range(3):
        y = base - h * (.1 + .27 * k)
        w = h * (.30 - .07 * k)
        points = [((x - w) * side, y * side), ((x + w) * side, y * side), (x * side, (y - h * .40) * side)]
        draw.polygon(points, green)
        low = [((x - w * .4) * side, (y - h * .23) * side), ((x + w * .35) * side, (y - h * .25) * side)]
        draw.polygon([points[2], *low], (244, 248, 252))


def _snow(time, rng, side):
    night = time == "night"
    sky = ((0, (28, 36, 84)), (.55, (96, 108, 166))) if night else ((0, (150, 182, 222)), (.55, (224, 234, 246)))
    picture = _gradient(side, *sky, (1, sky[1][1]))
    if night:
        _glow(picture, side, rng.uniform(.15, .85), .12, .055, (248, 246, 226), 100)
    draw = ImageDraw.Draw(picture)
    _hills(draw, side, rng, .60, .22, (92, 108, 160) if night else (190, 208, 232))
    for _ in range(rng.integers(4, 8)):
        green = (44, 66, 92) if night else (104, 142, 146)
        _pine(draw, side, rng.uniform(0, 1), .575 + rng.uniform(-.02, .02), rng.uniform(.10, .16), green)
    ground = (172, 184, 222) if night else (238, 244, 252)
    _hills(draw, side, rng, .62, .09, ground)
    lower = _gradient(side, (.6, ground), (1, (140, 152, 200) if night else (214, 226, 244)))
    picture.paste(lower.crop((0, round(.62 * side), side, side)), (0, round(.62 * side)))
    draw = ImageDraw.Draw(picture)
    for _ in range(4):
        x, y = rng.uniform(0, .9), rng.uniform(.68, .97)
        draw.line([(x * side, y * side), ((x + .07) * side, (y - .008) * side), ((x + .14) * side, y * side)],
                  (150, 164, 208) if night else (204, 218, 240), max(1, side // 120))
    for x, y, k in rng.uniform(0, 1, (44, 3)):
        _disc(draw, side, float(x), float(y), .004 + .005 * float(k), (255, 255, 255))
    return picture


def _park(time, rng, side):
    sunset = time == "sunset"
    if sunset:
        sky = ((0, (122, 100, 160)), (.30, (244, 158, 120)), (.52, (255, 220, 150)))
        far, near, low = (150, 132, 110), (150, 156, 84), (116, 128, 66)
    else:
        sky = ((0, (122, 194, 244)), (.52, (222, 244, 252)))
        far, near, low = (156, 206, 160), (150, 214, 112), (112, 184, 84)
    picture = _gradient(side, *sky, (1, sky[-1][1]))
    if sunset:
        _glow(picture, side, rng.uniform(.2, .8), .36, .075, (255, 238, 160), 150)
    else:
        _glow(picture, side, rng.uniform(.08, .92), .11, .055, (255, 240, 150), 110)
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(1, 4)):
        _cloud(draw, side, rng, (255, 216, 196) if sunset else (252, 254, 255))
    _hills(draw, side, rng, .60, .17, far)
    _hills(draw, side, rng, .62, .07, near)
    lower = _gradient(side, (.6, near), (1, low))
    picture.paste(lower.crop((0, round(.61 * side), side, side)), (0, round(.61 * side)))
    draw = ImageDraw.Draw(picture)
    blade = tuple(c - 22 for c in low)
    for x, y in rng.uniform(0, 1, (34, 2)):
        x, y = float(x), .64 + .35 * float(y)
        for dx in (-.008, 0, .008):
            draw.line([(x * side, y * side), ((x + dx) * side, (y - .018) * side)], blade, max(1, side // 190))
    for x, y in rng.uniform(0, 1, (9, 2)):
        x, y = float(x), .66 + .32 * float(y)
        for dx, dy in ((-.007, 0), (.007, 0), (0, -.007), (0, .007)):
            _disc(draw, side, x + dx, y + dy, .006, (255, 240, 246))
        _disc(draw, side, x, y, .005, (255, 214, 90))
    return picture


def _room(time, rng, side):
    wall = [(240, 226, 206), (214, 228, 230), (234, 218, 228), (226, 232, 208)][rng.integers(4)]
    picture = _gradient(side, (0, tuple(c - 14 for c in wall)), (.66, wall), (.6601, (206, 160, 112)), (1, (178, 130, 86)))
    draw = ImageDraw.Draw(picture)
    pale = tuple(min(255, c + 9) for c in wall)
    for k in range(10):
        draw.rectangle(((k / 10) * side, 0, (k / 10 + .05) * side, .63 * side), pale)
    for y in (.66, .73, .81, .90):
        draw.line([(0, y * side), (side, y * side)], (158, 112, 72), max(1, side // 150))
        for _ in range(3):
            x = rng.uniform(0, 1)
            draw.line([(x * side, y * side), (x * side, (y + .08) * side)], (158, 112, 72), max(1, side // 190))
    draw.rectangle((0, .63 * side, side, .662 * side), (250, 248, 242))
    # a window, and a picture on the wall
    x = rng.uniform(.06, .62)
    draw.rectangle((x * side, .10 * side, (x + .30) * side, .42 * side), (252, 250, 244))
    draw.rectangle(((x + .02) * side, .12 * side, (x + .28) * side, .40 * side), (186, 222, 244))
    hill = ((.02, .40), (.02, .34), (.14, .31), (.28, .35), (.28, .40))
    draw.polygon([((x + dx) * side, y * side) for dx, y in hill], (160, 208, 150))
    draw.rectangle(((x + .143) * side, .10 * side, (x + .157) * side, .42 * side), (252, 250, 244))
    draw.rectangle((x * side, .255 * side, (x + .30) * side, .267 * side), (252, 250, 244))
    other = x + .42 if x < .34 else x - .26
    draw.rectangle((other * side, .14 * side, (other + .16) * side, .30 * side), (190, 150, 100))
    draw.rectangle(((other + .015) * side, .155 * side, (other + .145) * side, .285 * side), (238, 232, 214))
    _disc(draw, side, other + .08, .22, .035, (226, 190, 150))
    # a rug
    rug = [(222, 188, 176), (186, 200, 206), (204, 210, 178)][rng.integers(3)]
    cx = rng.uniform(.35, .65)
    for r, colour in ((.34, tuple(c - 24 for c in rug)), (.31, rug)):
        _disc(draw, side, cx, .90, r, colour, .26)
    return picture
