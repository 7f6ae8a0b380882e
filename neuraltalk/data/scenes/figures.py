"""What draws each kind of thing. Every kind has its own outline and its own pattern, so that one can tell it from a detail.

A figure is a function (pen, colour, thing): pen.py's coordinates, colour an RGB triple, thing the dict of the scene.
People and animals have files of their own; vehicles, toys and the rest are here.
"""

from neuraltalk.data.scenes.animals import bird, cat, dog, horse
from neuraltalk.data.scenes.pen import OUTLINE, curve, darker, lighter
from neuraltalk.data.scenes.people import person

WHITE, GREY, WINDOW, YELLOW = (250, 250, 250), (150, 152, 162), (176, 222, 246), (255, 226, 92)
WOOD, METAL = (112, 76, 46), (74, 76, 88)


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
    runner = [(.04, .92), (.84, .92), *curve((.84, .92), (1.0, .90), (.95, .35))]
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
    pen.line(curve((.72, .62), (.82, .50), (.80, .36)), darker(colour, .15), pen.line_width * 1.2)


def umbrella(pen, colour, thing):
    canopy = .40 * pen.width / pen.height  # the canopy's height, whatever the handle's length
    pen.line([(.5, .04), (.5, .95), *curve((.5, .95), (.54, 1.02), (.60, .95))], (120, 80, 50), pen.line_width * 1.5)
    top = curve((.0, canopy), (.06, -.02), (.5, .02)) + curve((.5, .02), (.94, -.02), (1.0, canopy))
    edge = []
    for k in range(4, 0, -1):
        edge += curve((k / 4, canopy), (k / 4 - .125, canopy * .68), (k / 4 - .25, canopy), 5)
    pen.polygon(top + edge, colour)
    rib = lighter(colour, .55) if min(colour) < 200 else GREY
    for x in (.25, .5, .75):
        pen.line(curve((.5, .03), (.5 + (x - .5) * .9, canopy * .35), (x, canopy * .92)), rib, pen.line_width * 1.2)


def bench(pen, colour, thing):
    for x in (.10, .90):
        pen.line([(x, .10), (x, .96)], METAL, pen.line_width * 2)
    for y in (.12, .30):
        pen.box(.02, y - .07, .98, y + .07, colour, .006)
    pen.box(.0, .50, 1.0, .64, colour, .006)
    pen.line([(.03, .57), (.97, .57)], darker(colour, .2), pen.line_width * .8)
    for x in (.16, .84):
        pen.line([(x, .66), (x, .97)], METAL, pen.line_width * 2)


def chair(pen, colour, thing):
    pen.line([(.14, .56), (.12, .97)], WOOD, pen.line_width * 2, OUTLINE)
    pen.line([(.84, .60), (.86, .97)], WOOD, pen.line_width * 2, OUTLINE)
    pen.box(.06, .02, .24, .60, colour, .03)
    pen.box(.06, .50, .94, .66, colour, .02)
    pen.line([(.26, .60), (.26, .93)], WOOD, pen.line_width * 1.6, OUTLINE)
    pen.line([(.72, .66), (.72, .93)], WOOD, pen.line_width * 1.6, OUTLINE)
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
