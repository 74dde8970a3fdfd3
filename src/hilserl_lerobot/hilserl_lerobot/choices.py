"""The words of this package's options, each defined once. It imports nothing."""

# which steps an export takes
EVERYTHING, DEMONSTRATIONS, HUMAN = 'everything', 'demonstrations', 'human'
WHAT = {
    EVERYTHING: 'all but discarded episodes',
    DEMONSTRATIONS: 'successes that a human drove from start to end',
    HUMAN: 'each stretch that a human drove, as an episode',
}
# units of joints
DEGREES, NORMALISED, RADIANS = 'degrees', 'normalised', 'radians'
EXPORTED_UNITS = (DEGREES, NORMALISED)  # LeRobot has no radians under a .pos name
UNITS = (*EXPORTED_UNITS, RADIANS)
OF_DATASET = 'dataset'  # of a policy: those of the dataset that it was trained on
# how images are stored: what --images takes, and LeRobot's dtype for it
IMAGES = {'video': 'video', 'png': 'image'}
OUTCOMES = ('success', 'failure')  # that a person gives episodes without one
UNLABELLED = ('refuse', 'exclude', 'include')  # as for the import of bags
