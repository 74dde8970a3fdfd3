"""Description of the SO-101 arm: joints, limits, models, kinematics."""

import os

# MuJoCo's default renderer needs a window system. MuJoCo reads this variable at its first import.
os.environ.setdefault('MUJOCO_GL', 'egl')
