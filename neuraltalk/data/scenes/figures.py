"""How each kind of thing is drawn. Every kind has its own outline and its own pattern, so that one can tell it from a detail.

A figure is a function (pen, colour, thing): pen.py's coordinates, colour an RGB triple, thing the dict of the scene.
"""

from neuraltalk.data.scenes.pen import OUTLINE, darker, lighter
from neuraltalk.data.scenes.poses import HEAD, joints

SKINS = ((250, 212, 180), (232, 184, 142), (172, 116, 78))
HAIRS = ((60, 40, 32), (110, 66, 34), (30, 28, 32))
WHITE, GREY, WINDOW, YELLOW = (250, 250, 250), (150, 152, 162), (176, 222, 246), (255, 226, 92)


# --- people ---

def person(pen, colour, thing):
    """Limbs are strokes with a border, clothes polygons; man: beard, trousers; woman: long hair, long dress;
    boy: cap, stripes, shorts; girl: pigtails, dots, short dress."""
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


# --- animals ---

def dog(pen, colour, thing):
    pose, dark = thing["pose"], darker(colour, .35) if max(colour) > 90 else (92, 92, 104)
    leg = .075 * pen.width * pen.side
    if pose == "sit":
        pen.line(pen.curve((.26, .86), (.02, .86), (.06, .60)), colour, leg * .9, OUTLINE)
        pen.polygon([(.22, .96), (.30, .62), (.52, .36), (.70, .42), (.70, .96)], colour)
        pen.oval(.34, .80, .17, .19, colour)
        pen.line([(.62, .6), (.64, .94)], colour, leg, OUTLINE)
    else:
        run = pose == "run"
        legs = ((.22, .20), (.36, .42), (.62, .74), (.74, .96)) if run else ((.24, .22), (.34, .35), (.64, .64), (.74, .76))
        pen.line(pen.curve((.18, .48), (.02, .42), (.06, .16)), colour, leg * .9, OUTLINE)
        for top, low in legs:
            pen.line([(top, .60), (low, .90 if run else .95)], colour, leg, OUTLINE)
        pen.box(.16, .38, .80, .74, colour, .17 * pen.height)
    pen.oval(.44, .56 if pose != "sit" else .72, .09, .10, dark, None)
    # head with a long ear and a snout
    pen.oval(.78, .28, .17, .22, colour)
    pen.oval(.91, .35, .09, .11, lighter(colour, .45))
    pen.oval(.97, .31, .03, .045, OUTLINE, None)
    pen.oval(.67, .30, .07, .19, dark)
    pen.oval(.82, .22, .025, .04, OUTLINE if max(colour) > 90 else WHITE, None)
    pen.line([(.68, .50), (.84, .50)], (230, 60, 60), pen.line_width * 1.6)


def cat(pen, colour, thing):
    pose, dark = thing["pose"], darker(colour, .4) if max(colour) > 90 else (96, 96, 108)
    leg = .085 * pen.width * pen.side
    if pose == "sleep":
        pen.oval(.46, .78, .42, .21, colour)
        for x in (.30, .45, .60):
            pen.line(pen.curve((x, .59), (x - .05, .70), (x, .80)), dark, pen.line_width * 1.3)
        pen.line(pen.curve((.10, .88), (.40, 1.06), (.66, .93)), colour, leg, OUTLINE)
        x, y = .76, .70
    elif pose == "sit":
        pen.line(pen.curve((.32, .92), (-.06, .98), (.08, .50)), colour, leg, OUTLINE)
        pen.polygon([(.26, .97), (.34, .52), (.66, .52), (.76, .97)], colour)
        for y in (.64, .76):
            pen.line(pen.curve((.36, y), (.46, y + .06), (.56, y)), dark, pen.line_width * 1.3)
        pen.line([(.60, .72), (.60, .95)], colour, leg, OUTLINE)
        x, y = .56, .32
    else:
        pen.line(pen.curve((.16, .60), (-.02, .50), (.08, .08)), colour, leg, OUTLINE)
        reach = .08 if pose == "run" else 0
        for top, low in ((.22, .20 - reach), (.32, .32 - reach), (.58, .58 + reach), (.66, .70 + reach)):
            pen.line([(top, .66), (low, .95)], colour, leg, OUTLINE)
        pen.box(.14, .46, .74, .76, colour, .13 * pen.height)
        for x in (.30, .42, .54):
            pen.line(pen.curve((x, .47), (x - .04, .54), (x, .62)), dark, pen.line_width * 1.3)
        x, y = .74, .34
    r = .19
    for side in (-1, 1):  # pointed ears
        pen.polygon([(x + side * .04, y - .15), (x + side * .20, y - .34), (x + side * .21, y - .02)], colour)
    pen.oval(x, y, .23, r, colour)
    for side in (-1, 1):
        if pose == "sleep":
            pen.line([(x + side * .13, y), (x + side * .05, y + .02)], OUTLINE if max(colour) > 90 else WHITE)
        else:
            pen.oval(x + side * .09, y - .02, .045, .045, (150, 220, 90))
        pen.line([(x + side * .12, y + .09), (x + side * .26, y + .07)], dark if max(colour) > 90 else GREY, pen.line_width * .6)
    pen.oval(x, y + .06, .03, .022, (240, 130, 150), None)


def horse(pen, colour, thing):
    dark = (60, 40, 34) if max(colour) > 90 else (110, 104, 112)
    leg = .055 * pen.width * pen.side
    run = .07 if thing["pose"] == "run" else 0
    pen.line(pen.curve((.12, .42), (-.02, .46), (.03, .82)), dark, leg * 1.1, OUTLINE)
    for top, low in ((.20, .16 - run), (.28, .30 - run * .4), (.58, .58 + run * .5), (.66, .68 + run)):
        pen.line([(top, .56), ((top + low) / 2, .76), (low, .93)], colour, leg, OUTLINE)
        pen.box(low - .032, .92, low + .032, .99, dark)
    pen.box(.11, .36, .73, .68, colour, .13 * pen.height)
    pen.polygon([(.56, .46), (.72, .14), (.84, .16), (.75, .56)], colour)
    pen.polygon([(.72, .12), (.84, .06), (.985, .27), (.95, .35), (.87, .34), (.76, .24)], colour)
    pen.polygon([(.745, .14), (.765, .0), (.81, .09)], colour)
    pen.line(pen.curve((.74, .08), (.60, .18), (.55, .40)), dark, leg * 1.2)
    pen.oval(.845, .155, .013, .018, OUTLINE if max(colour) > 90 else WHITE, None)


def bird(pen, colour, thing):
    beak, dark = (250, 160, 40), darker(colour, .3) if max(colour) > 90 else (100, 100, 116)
    if thing["pose"] == "fly":
        pen.polygon([(.22, .56), (.0, .42), (.02, .70)], dark)
        pen.polygon([(.96, .40), (.84, .34), (.84, .50)], beak)
        pen.oval(.48, .56, .30, .21, colour)
        pen.oval(.74, .42, .15, .19, colour)
        pen.polygon([(.36, .52), (.24, .02), (.50, .10), (.62, .50)], dark)
        pen.polygon([(.44, .58), (.30, .98), (.52, .92), (.64, .60)], dark)
        pen.oval(.78, .37, .035, .045, WHITE)
        return
    for x in (.44, .54):
        pen.line([(x, .76), (x, .97), (x + .07, .98)], beak, pen.line_width * 1.2)
    pen.polygon([(.30, .56), (.0, .62), (.06, .82)], dark)
    pen.polygon([(.97, .30), (.82, .20), (.82, .40)], beak)
    pen.oval(.46, .60, .29, .24, colour)
    pen.oval(.70, .30, .18, .23, colour)
    pen.oval(.40, .60, .18, .14, dark)
    pen.oval(.75, .25, .04, .05, WHITE)


# --- vehicles ---

def _wheel(pen, x, y, r, hub=(210, 214, 222)):
    pen.circle(x, y, r, (46, 46, 54))
    pen.circle(x, y, r * .5, hub, None)


def car(pen, colour, thing):
    pen.polygon([(.16, .42), (.30, .04), (.66, .04), (.82, .42)], colour)
    pen.polygon([(.25, .40), (.34, .13), (.46, .13), (.46, .40)], WINDOW)
    pen.polygon([(.52, .40), (.52, .13), (.63, .13), (.73, .40)], WINDOW)
    pen.box(.02, .40, .98, .80, colour, .035)
    pen.line([(.07, .62), (.93, .62)], lighter(colour, .5), pen.line_width * 1.2)
    pen.oval(.93, .52, .035, .07, YELLOW)
    pen.box(.02, .48, .06, .60, (240, 70, 60))
    for x in (.23, .76):
        _wheel(pen, x, .80, .19)


def bus(pen, colour, thing):
    pen.box(.02, .06, .98, .86, colour, .03)
    for k in range(5):
        pen.box(.07 + .145 * k, .18, .185 + .145 * k, .44, WINDOW, .008)
    pen.box(.81, .18, .93, .80, WINDOW, .008)
    pen.line([(.05, .58), (.77, .58)], WHITE, pen.line_width * 2.2)
    pen.oval(.955, .70, .02, .05, YELLOW)
    for x in (.22, .70):
        _wheel(pen, x, .86, .13)


def boat(pen, colour, thing):
    pen.line([(.48, .04), (.48, .72)], (120, 80, 50), pen.line_width * 2)
    pen.polygon([(.52, .06), (.52, .62), (.92, .62)], WHITE)
    pen.polygon([(.44, .14), (.44, .62), (.12, .62)], (250, 236, 214))
    pen.polygon([(.48, .02), (.48, .11), (.30, .06)], colour)
    pen.polygon([(.02, .68), (.98, .68), (.82, .97), (.20, .97)], colour)
    pen.line([(.08, .77), (.93, .77)], lighter(colour, .55) if min(colour) < 200 else GREY, pen.line_width * 1.6)


def bike(pen, colour, thing):
    width = .034 * pen.width * pen.side
    for x in (.19, .81):
        r = .30
        pen.circle(x, .68, r, None, OUTLINE)
        pen.circle(x, .68, r - .035, None, OUTLINE)
        for dx, dy in ((1, 0), (0, 1)):
            dx *= pen.height / pen.width
            pen.line([(x - dx * r, .68 - dy * r), (x + dx * r, .68 + dy * r)], GREY, pen.line_width * .5)
    frame = [(.19, .68), (.36, .28), (.70, .26), (.48, .70), (.19, .68)]
    for part in (frame, [(.36, .28), (.48, .70)], [(.70, .26), (.81, .68)], [(.36, .28), (.33, .14)],
                 [(.70, .26), (.68, .08), (.76, .06)]):
        pen.line(part, colour, width * 1.5, OUTLINE)
    pen.oval(.33, .10, .09, .055, (70, 50, 44))
    pen.circle(.48, .70, .07, GREY)


def skateboard(pen, colour, thing):
    for x in (.22, .78):
        pen.circle(x, .78, .22, (60, 60, 70))
        pen.circle(x, .78, .08, WHITE, None)
    pen.line([(.03, .18), (.14, .42), (.86, .42), (.97, .18)], colour, .34 * pen.height * pen.side, OUTLINE)


def sled(pen, colour, thing):
    runner = [(.04, .92), (.84, .92), *pen.curve((.84, .92), (1.0, .90), (.95, .35))]
    pen.line(runner, (150, 106, 60), pen.line_width * 1.8, OUTLINE)
    for x in (.22, .70):
        pen.line([(x, .45), (x, .90)], (150, 106, 60), pen.line_width * 1.6, OUTLINE)
    for y in (.16, .42):
        pen.line([(.06, y), (.84, y)], colour, .20 * pen.height * pen.side, OUTLINE)


# --- toys and objects ---

def ball(pen, colour, thing):
    pen.circle(.5, .5, .49, colour)
    pen.pie(.5, .5, .44, .44, 60, 120, WHITE)
    pen.pie(.5, .5, .44, .44, 180, 240, WHITE)
    pen.pie(.5, .5, .44, .44, 300, 360, WHITE)
    pen.circle(.5, .5, .12, colour)
    pen.oval(.34, .26, .09, .06, lighter(colour, .8), None)


def kite(pen, colour, thing):
    pen.line([(.5, .72), (.42, .80), (.56, .87), (.46, .97)], colour, pen.line_width * 1.3)
    for x, y in ((.46, .80), (.53, .90)):
        pen.polygon([(x - .08, y - .03), (x + .08, y + .03), (x + .08, y - .03), (x - .08, y + .03)], colour, None)
    pen.polygon([(.5, .01), (.94, .30), (.5, .74), (.06, .30)], colour)
    pen.polygon([(.5, .01), (.94, .30), (.5, .30)], lighter(colour, .62), None)
    pen.polygon([(.06, .30), (.5, .30), (.5, .74)], lighter(colour, .62), None)
    pen.line([(.5, .02), (.5, .73)])
    pen.line([(.07, .30), (.93, .30)])


def balloon(pen, colour, thing):
    pen.polygon([(.42, .98), (.58, .98), (.5, .84)], darker(colour))
    pen.oval(.5, .44, .46, .44, colour)
    pen.oval(.34, .26, .10, .13, lighter(colour, .75) if min(colour) < 200 else (214, 216, 228), None)
    pen.line(pen.curve((.72, .62), (.82, .50), (.80, .36)), darker(colour, .15), pen.line_width * 1.2)


def umbrella(pen, colour, thing):
    canopy = .40 * pen.width / pen.height  # the canopy's height, whatever the handle's length
    pen.line([(.5, .04), (.5, .95), *pen.curve((.5, .95), (.54, 1.02), (.60, .95))], (120, 80, 50), pen.line_width * 1.5)
    top = pen.curve((.0, canopy), (.06, -.02), (.5, .02)) + pen.curve((.5, .02), (.94, -.02), (1.0, canopy))
    edge = []
    for k in range(4, 0, -1):
        edge += pen.curve((k / 4, canopy), (k / 4 - .125, canopy * .68), (k / 4 - .25, canopy), 5)
    pen.polygon(top + edge, colour)
    rib = lighter(colour, .55) if min(colour) < 200 else GREY
    for x in (.25, .5, .75):
        pen.line(pen.curve((.5, .03), (.5 + (x - .5) * .9, canopy * .35), (x, canopy * .92)), rib, pen.line_width * 1.2)


def bench(pen, colour, thing):
    for x in (.10, .90):
        pen.line([(x, .10), (x, .96)], (74, 76, 88), pen.line_width * 2)
    for y in (.12, .30):
        pen.box(.02, y - .07, .98, y + .07, colour, .006)
    pen.box(.0, .50, 1.0, .64, colour, .006)
    pen.line([(.03, .57), (.97, .57)], darker(colour, .2), pen.line_width * .8)
    for x in (.16, .84):
        pen.line([(x, .66), (x, .97)], (74, 76, 88), pen.line_width * 2)


def chair(pen, colour, thing):
    pen.line([(.14, .56), (.12, .97)], (112, 76, 46), pen.line_width * 2, OUTLINE)
    pen.line([(.84, .60), (.86, .97)], (112, 76, 46), pen.line_width * 2, OUTLINE)
    pen.box(.06, .02, .24, .60, colour, .03)
    pen.box(.06, .50, .94, .66, colour, .02)
    pen.line([(.26, .60), (.26, .93)], (112, 76, 46), pen.line_width * 1.6, OUTLINE)
    pen.line([(.72, .66), (.72, .93)], (112, 76, 46), pen.line_width * 1.6, OUTLINE)
    for y in (.14, .28, .42):
        pen.line([(.10, y), (.20, y)], lighter(colour, .6) if min(colour) < 200 else GREY, pen.line_width)


def tree(pen, colour, thing):
    leaf = (64, 142, 74) if thing["shade"] % 2 else (92, 150, 58)
    pen.polygon([(.42, .98), (.45, .55), (.55, .55), (.60, .98)], (116, 78, 48))
    for x, y, r in ((.26, .44, .19), (.74, .44, .19), (.5, .24, .23), (.5, .48, .20)):
        pen.circle(x, y, r, leaf)
    for x, y, r in ((.26, .44, .175), (.74, .44, .175), (.5, .26, .21), (.5, .46, .19)):
        pen.circle(x, y, r, leaf, None)
    for x, y in ((.36, .20), (.60, .32), (.24, .40), (.74, .44), (.46, .48)):
        pen.circle(x, y, .05, lighter(leaf, .25), None)


def snowman(pen, colour, thing):
    snow = (246, 250, 255)
    pen.circle(.5, .78, .21, snow)
    pen.circle(.5, .47, .155, snow)
    for side in (-1, 1):
        pen.line([(.5 + side * .24, .46), (.5 + side * .48, .36)], (104, 70, 42), pen.line_width * 1.3)
    pen.circle(.5, .24, .12, snow)
    pen.box(.36, .02, .64, .13, (48, 46, 58))
    pen.box(.26, .12, .74, .155, (48, 46, 58))
    pen.polygon([(.52, .23), (.76, .265), (.52, .275)], (250, 140, 40))
    for x in (.42, .57):
        pen.circle(x, .205, .014, OUTLINE, None)
    for y in (.42, .49, .72):
        pen.circle(.5, y, .016, OUTLINE, None)
    pen.line([(.30, .345), (.70, .345)], (226, 84, 110), pen.line_width * 3)


FIGURES = {"man": person, "woman": person, "boy": person, "girl": person, "dog": dog, "cat": cat, "horse": horse, "bird": bird,
           "car": car, "bus": bus, "boat": boat, "bike": bike, "skateboard": skateboard, "sled": sled, "ball": ball, "kite": kite,
           "balloon": balloon, "umbrella": umbrella, "bench": bench, "chair": chair, "tree": tree, "snowman": snowman}
