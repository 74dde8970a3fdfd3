"""The in-process simulation: the whole cell in one process and in simulated time, without ROS.

`cell` simulates a cell, `learner` trains a policy, `training` makes whole runs of both.
"""

import so101_sim  # noqa: F401  before MuJoCo: it chooses the renderer
