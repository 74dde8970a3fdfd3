"""The in-process simulation: the whole cell in one process and in simulated time, without ROS.

`cell` simulates a cell, `learner` trains a policy, and `training` makes whole runs with both.
"""

import so101_sim  # noqa: F401  it selects the renderer, so import it before MuJoCo
