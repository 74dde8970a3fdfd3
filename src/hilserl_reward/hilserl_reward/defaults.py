"""Numbers that a person may change, with their reasons; each is also an argument of the verb."""

MARGIN = 1.0  # s before a labelled moment without a label: a person marks a second late
REACTION = 0.2  # s; a person needs at least this to press a key, so the success was there already
FRAMES = '2/3'  # a reward needs 2 of the last 3 frames: one odd frame gives none
UPDATES = 400  # of each network; more changed nothing on 40 episodes
