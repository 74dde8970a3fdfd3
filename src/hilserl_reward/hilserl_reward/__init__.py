"""The success detector: a small network that sees success and gives the reward.

`labelled` reads labelled episodes, `training` makes a detector of them, `detector` uses it.
"""
