"""Render docs/cell.png: the simulated cell, the wrist camera's view, and what the policy sees."""

from math import pi
import os
from pathlib import Path

os.environ.setdefault('MUJOCO_GL', 'egl')

import cv2
import numpy as np

from hilserl_core.contract.observation import crop_resize
from hilserl_core.contract.tasks import make_task
from so101_description.joints import REST
from so101_description.kinematics import Kinematics
from so101_description.model import model_hash
from so101_sim.world import CameraRenderer, World

HEIGHT = 480


def main():
    """Write the picture beside this file."""
    world, kinematics = World(seed=3), Kinematics()
    world.model.vis.global_.offwidth, world.model.vis.global_.offheight = 1280, 960
    world.model.vis.quality.offsamples = 4
    world.place_bodies()
    x, y, _ = world.pose('cube')[0]
    world.place_arm(kinematics.solve((x - 0.021, y, 0.045), pi / 2, 0.0, 0.6, REST).q)
    views = []
    for camera, width, height in (('overview', 640, HEIGHT), ('wrist_camera', 640, 480)):
        renderer = CameraRenderer(world, camera, 2 * width, 2 * height)
        views.append(cv2.resize(renderer.render(), (width, height), interpolation=cv2.INTER_AREA))
        renderer.close()
    renderer = CameraRenderer(world, 'wrist_camera', 160, 120)
    observed = crop_resize(renderer.render(), make_task('grasp_lift', model_hash()).cameras[0])
    renderer.close()
    side = (HEIGHT - 8) // 2
    wrist = cv2.resize(views[1], (side * 4 // 3, side), interpolation=cv2.INTER_AREA)
    policy = np.full((side, side * 4 // 3, 3), 255, np.uint8)
    left = (policy.shape[1] - side) // 2
    policy[:, left : left + side] = cv2.resize(
        observed, (side, side), interpolation=cv2.INTER_NEAREST
    )
    column = np.vstack([wrist, np.full((8, wrist.shape[1], 3), 255, np.uint8), policy])
    column = cv2.resize(column, (column.shape[1], HEIGHT), interpolation=cv2.INTER_AREA)
    picture = np.hstack([views[0], np.full((HEIGHT, 8, 3), 255, np.uint8), column])
    cv2.imwrite(str(Path(__file__).with_name('cell.png')), picture[:, :, ::-1])


if __name__ == '__main__':
    main()
