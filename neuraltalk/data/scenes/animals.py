"""How animals are drawn, each in its poses. Their functions are called as figures.py says."""

from neuraltalk.data.scenes.pen import OUTLINE, curve, darker, lighter

WHITE, GREY = (250, 250, 250), (150, 152, 162)


def dog(pen, colour, thing):
    pose, dark = thing["pose"], darker(colour, .35) if max(colour) > 90 else (92, 92, 104)
    leg = .075 * pen.width * pen.side
    if pose == "sit":
        pen.line(curve((.26, .86), (.02, .86), (.06, .60)), colour, leg * .9, OUTLINE)
        pen.polygon([(.22, .96), (.30, .62), (.52, .36), (.70, .42), (.70, .96)], colour)
        pen.oval(.34, .80, .17, .19, colour)
        pen.line([(.62, .6), (.64, .94)], colour, leg, OUTLINE)
    else:
        run = pose == "run"
        legs = ((.22, .20), (.36, .42), (.62, .74), (.74, .96)) if run else ((.24, .22), (.34, .35), (.64, .64), (.74, .76))
        pen.line(curve((.18, .48), (.02, .42), (.06, .16)), colour, leg * .9, OUTLINE)
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
            pen.line(curve((x, .59), (x - .05, .70), (x, .80)), dark, pen.line_width * 1.3)
        pen.line(curve((.10, .88), (.40, 1.06), (.66, .93)), colour, leg, OUTLINE)
        x, y = .76, .70
    elif pose == "sit":
        pen.line(curve((.32, .92), (-.06, .98), (.08, .50)), colour, leg, OUTLINE)
        pen.polygon([(.26, .97), (.34, .52), (.66, .52), (.76, .97)], colour)
        for y in (.64, .76):
            pen.line(curve((.36, y), (.46, y + .06), (.56, y)), dark, pen.line_width * 1.3)
        pen.line([(.60, .72), (.60, .95)], colour, leg, OUTLINE)
        x, y = .56, .32
    else:
        pen.line(curve((.16, .60), (-.02, .50), (.08, .08)), colour, leg, OUTLINE)
        reach = .08 if pose == "run" else 0
        for top, low in ((.22, .20 - reach), (.32, .32 - reach), (.58, .58 + reach), (.66, .70 + reach)):
            pen.line([(top, .66), (low, .95)], colour, leg, OUTLINE)
        pen.box(.14, .46, .74, .76, colour, .13 * pen.height)
        for x in (.30, .42, .54):
            pen.line(curve((x, .47), (x - .04, .54), (x, .62)), dark, pen.line_width * 1.3)
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
    pen.line(curve((.12, .42), (-.02, .46), (.03, .82)), dark, leg * 1.1, OUTLINE)
    for top, low in ((.20, .16 - run), (.28, .30 - run * .4), (.58, .58 + run * .5), (.66, .68 + run)):
        pen.line([(top, .56), ((top + low) / 2, .76), (low, .93)], colour, leg, OUTLINE)
        pen.box(low - .032, .92, low + .032, .99, dark)
    pen.box(.11, .36, .73, .68, colour, .13 * pen.height)
    pen.polygon([(.56, .46), (.72, .14), (.84, .16), (.75, .56)], colour)
    pen.polygon([(.72, .12), (.84, .06), (.985, .27), (.95, .35), (.87, .34), (.76, .24)], colour)
    pen.polygon([(.745, .14), (.765, .0), (.81, .09)], colour)
    pen.line(curve((.74, .08), (.60, .18), (.55, .40)), dark, leg * 1.2)
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
