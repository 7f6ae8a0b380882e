"""Where a person's joints are in each pose: shared by compose.py (what touches a hand) and render.py (drawing).

A pose is a dict from joint to (x, y) in units of the person's height: x from the middle, positive the way the person
faces; y from 0, the top of the head, to 1, the soles of the standing feet.
"""

_STAND = {"hip": (0, .60), "left_knee": (-.055, .79), "right_knee": (.055, .79), "left_foot": (-.065, .985),
          "right_foot": (.065, .985), "left_hand": (-.17, .57), "right_hand": (.17, .57)}
POSES = {
    "stand": _STAND,
    "wave": {**_STAND, "right_hand": (.23, .12)},
    "hold": {**_STAND, "right_hand": (.20, .42), "left_hand": (-.15, .58)},
    "raise": {**_STAND, "right_hand": (.21, .20)},
    "throw": {**_STAND, "right_hand": (.24, .16), "left_hand": (-.22, .44), "left_foot": (-.15, .985), "right_foot": (.14, .985),
              "left_knee": (-.11, .79), "right_knee": (.12, .78)},
    "walk": {**_STAND, "left_foot": (-.14, .985), "right_foot": (.13, .985), "left_knee": (-.06, .80), "right_knee": (.09, .79),
             "right_hand": (.22, .50), "left_hand": (-.18, .53)},
    "run": {**_STAND, "left_foot": (-.26, .90), "left_knee": (-.07, .82), "right_foot": (.17, .985), "right_knee": (.14, .77),
            "left_hand": (-.21, .47), "right_hand": (.22, .40)},
    "jump": {**_STAND, "left_foot": (-.19, .95), "left_knee": (-.15, .77), "right_foot": (.19, .95), "right_knee": (.15, .77),
             "left_hand": (-.24, .12), "right_hand": (.24, .12)},
    "kick": {**_STAND, "right_foot": (.28, .85), "right_knee": (.13, .74), "left_hand": (-.24, .42), "right_hand": (.19, .48)},
    "sit": {**_STAND, "hip": (0, .68), "left_knee": (.19, .69), "right_knee": (.21, .71), "left_foot": (.18, .985),
            "right_foot": (.22, .985), "left_hand": (-.04, .62), "right_hand": (.15, .62)},
    "cycle": {**_STAND, "hip": (-.04, .63), "left_knee": (.13, .72), "right_knee": (.10, .80), "left_foot": (.08, .93),
              "right_foot": (.01, .985), "left_hand": (.26, .50), "right_hand": (.27, .52)},
    "mount": {**_STAND, "hip": (0, .63), "left_knee": (.10, .74), "right_knee": (.11, .76), "left_foot": (.06, .95),
              "right_foot": (.07, .97), "left_hand": (.21, .52), "right_hand": (.23, .54)},
    "skate": {**_STAND, "hip": (0, .64), "left_knee": (-.15, .79), "right_knee": (.13, .78), "left_foot": (-.16, .985),
              "right_foot": (.16, .985), "left_hand": (-.28, .38), "right_hand": (.28, .36)},
    "slide": {**_STAND, "hip": (-.10, .78), "left_knee": (.10, .72), "right_knee": (.12, .74), "left_foot": (.26, .84),
              "right_foot": (.28, .86), "left_hand": (.16, .62), "right_hand": (.18, .64)},
}
NECK = {"man": .27, "woman": .27, "boy": .36, "girl": .36}
HEAD = {"man": .115, "woman": .115, "boy": .165, "girl": .165}


def joints(kind, pose):
    """The joints of a kind of person in a pose, with "neck" and "head" -> dict joint -> (x, y)."""
    points = dict(POSES[pose])
    drop = points["hip"][1] - .60 if pose not in ("slide",) else .10
    lean = points["hip"][0] * .6 + (.05 if pose in ("cycle", "run") else 0)
    neck = NECK[kind] + drop * .9
    points["neck"] = (lean, neck)
    points["head"] = (lean + (.02 if pose in ("cycle", "run") else 0), neck - HEAD[kind] * 1.05)
    return points
