"""How people are drawn: limbs are strokes with a border, clothes polygons.

Each kind has its own outline and pattern, so that one can tell it from a detail. Man: beard, trousers, a jacket with a zip.
Woman: long hair, a long dress with a belt. Boy: cap, stripes, shorts. Girl: pigtails, dots, a short dress.
"""

from neuraltalk.data.scenes.pen import OUTLINE, darker, lighter
from neuraltalk.data.scenes.poses import HEAD, joints

SKINS = ((250, 212, 180), (232, 184, 142), (172, 116, 78))
HAIRS = ((60, 40, 32), (110, 66, 34), (30, 28, 32))
WHITE = (250, 250, 250)


def person(pen, colour, thing):
    """Draw a person: pen over the thing's place, colour of the clothes (RGB), thing (the dict of the scene)."""
    kind, shade = thing["kind"], thing["shade"]
    skin, hair = SKINS[shade % 3], HAIRS[shade // 3 % 3]
    ratio = pen.height / pen.width
    points = {name: (.5 + x * ratio, y) for name, (x, y) in joints(kind, thing["pose"]).items()}

    def near(name, dx=0., dy=0.):
        return points[name][0] + dx * ratio, points[name][1] + dy

    unit = pen.height * pen.side
    limb = .062 * unit if kind in ("man", "woman") else .072 * unit
    legs = {"man": (58, 62, 92), "boy": skin}.get(kind, skin)
    hip, neck = points["hip"], points["neck"]
    shoulder = .075
    # far arm, legs and shoes
    sleeve = colour
    pen.line([near("neck", -shoulder, .045), points["left_hand"]], skin, limb * .8, OUTLINE)
    _sleeve(pen, near("neck", -shoulder, .045), points["left_hand"], darker(sleeve, .15), limb)
    for side in ("left", "right"):
        start = near("hip", -.03 if side == "left" else .03)
        knee, foot = points[f"{side}_knee"], points[f"{side}_foot"]
        pen.line([start, knee, (foot[0], foot[1] - .02)], legs, limb, OUTLINE)
        if kind == "boy":
            middle = ((start[0] + knee[0]) / 2, (start[1] + knee[1]) / 2)
            pen.line([start, middle, knee], (66, 84, 140), limb * 1.15, OUTLINE)
        pen.oval(foot[0] + .018 * ratio, foot[1] - .012, .046 * ratio, .026, (70, 46, 40))
    if kind == "woman":  # long hair falls behind the shoulders
        (x, y), r = points["head"], HEAD[kind]
        pen.oval(x - .02 * ratio, y + r * .55, r * 1.22 * ratio, r * 1.5, hair)
    # body
    left, right = near("neck", -shoulder - .02, .015), near("neck", shoulder + .02, .015)
    if kind in ("man", "boy"):
        body = [left, right, near("hip", .085, .03), near("hip", -.085, .03)]
        pen.polygon(body, colour)
        if kind == "boy":
            for k in (.3, .66):
                a = tuple(p + (q - p) * k for p, q in zip(body[0], body[3]))
                b = tuple(p + (q - p) * k for p, q in zip(body[1], body[2]))
                stripe = WHITE if min(colour) < 200 else (190, 190, 200)
                pen.line([(a[0] + .02, a[1]), (b[0] - .02, b[1])], stripe, .034 * unit)
        else:
            zip_colour = darker(colour, .35) if max(colour) > 90 else (110, 110, 120)
            pen.line([(neck[0], neck[1] + .02), hip], zip_colour, pen.line_width * .8)
            pen.polygon([near("neck", -.05, .012), near("neck", .05, .012), near("neck", 0, .085)], lighter(colour, .6))
    else:
        long = .9 if kind == "woman" else .35
        limbs = ((points[f"{side}_knee"], points[f"{side}_foot"]) for side in ("left", "right"))
        lows = sorted(tuple(k + (f - k) * (long - .35) for k, f in zip(knee, foot)) for knee, foot in limbs)
        waist = .055
        skirt = [near("hip", -waist, -.10), near("hip", waist, -.10),
                 (max(hip[0] + .12 * ratio, lows[1][0] + .07 * ratio), lows[1][1]),
                 (min(hip[0] - .12 * ratio, lows[0][0] - .07 * ratio), lows[0][1])]
        if thing["pose"] in ("sit", "cycle", "mount", "slide"):
            skirt = [near("hip", -waist - .02, -.10), near("hip", waist, -.10), (lows[1][0] + .05 * ratio, lows[1][1] - .04),
                     (lows[1][0] + .03 * ratio, lows[1][1] + .04), near("hip", -.10, .05)]
        pen.polygon(skirt, colour)
        pen.polygon([left, right, near("hip", waist + .01, -.09), near("hip", -waist - .01, -.09)], colour)
        mark = WHITE if min(colour) < 200 else (176, 170, 196)
        if kind == "woman":
            pen.line([near("hip", -waist, -.095), near("hip", waist, -.095)], mark, .026 * unit)
            pen.line([skirt[3], skirt[2]], mark, .02 * unit)
        else:
            for dx, dy in ((-.05, .02), (.05, .03), (0, -.03), (0, .075), (-.04, -.13), (.04, -.16)):
                pen.circle(*near("hip", dx, dy), .018, mark, None)
    # head
    head, r = points["head"], HEAD[kind]
    if kind == "girl":
        for side in (-1, 1):
            pen.oval(head[0] + side * r * 1.16 * ratio, head[1] + r * .3, r * .34 * ratio, r * .62, hair)
            pen.circle(head[0] + side * r * 1.0 * ratio, head[1] - r * .22, r * .2, colour, None)
    pen.circle(*head, r, skin)
    _face(pen, head, r, ratio, kind, skin, hair)
    # near arm
    pen.line([near("neck", shoulder, .045), points["right_hand"]], skin, limb * .8, OUTLINE)
    _sleeve(pen, near("neck", shoulder, .045), points["right_hand"], colour, limb)


def _sleeve(pen, shoulder, hand, colour, limb):
    end = tuple(s + (h - s) * .5 for s, h in zip(shoulder, hand))
    pen.line([shoulder, end], colour, limb, OUTLINE)


def _face(pen, head, r, ratio, kind, skin, hair):
    x, y = head
    if kind == "man":  # beard and short hair
        pen.pie(x, y, r * .96 * ratio, r * .96, 20, 160, hair)
        pen.pie(x, y, r * 1.0 * ratio, r * 1.0, 190, 350, hair)
        pen.pie(x, y + r * .16, r * .74 * ratio, r * .62, 0, 360, skin)
        pen.pie(x, y + r * .40, r * .66 * ratio, r * .5, 10, 170, hair)
    elif kind == "woman":
        pen.pie(x, y, r * ratio, r, 175, 365, hair)
        pen.pie(x + .1 * r * ratio, y + r * .2, r * .8 * ratio, r * .72, 0, 360, skin)
    elif kind == "boy":  # a cap
        pen.pie(x, y - r * .08, r * 1.03 * ratio, r * 1.0, 180, 360, (235, 120, 40))
        peak = [(x + r * .2 * ratio, y - r * .14), (x + r * 1.35 * ratio, y - r * .14)]
        pen.line(peak, (200, 92, 28), r * .26 * pen.height * pen.side)
    else:
        pen.pie(x, y - r * .06, r * ratio, r * .96, 185, 355, hair)
        pen.pie(x, y + r * .22, r * .84 * ratio, r * .66, 0, 360, skin)
    for dx in (-.2, .45):
        pen.circle(x + dx * r * ratio, y + r * .1, r * .1, OUTLINE, None)
    mouth = [(x + dx * r * ratio, y + dy * r) for dx, dy in ((-.12, .5), (.14, .58), (.38, .5))]
    pen.line(mouth, (176, 60, 60), pen.line_width * .8)
