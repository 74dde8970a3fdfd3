"""What the SO-101 arm is: joints, limits, models, kinematics."""

import os

# MuJoCo's own default needs a window system. It reads this when it is first imported.
os.environ.setdefault('MUJOCO_GL', 'egl')
