"""The node `lerobot_policy`: offers a policy of LeRobot to the actor as a service.

The policy runs in a process of its own, with LeRobot's packages. Here images and joints are
checked and converted to the units of the policy's dataset, and back.
"""

import threading

import numpy as np
from sensor_msgs.msg import Image

from so101_description.joint_messages import joint_state
from so101_description.joints import pack
from so101_interfaces.srv import GetPolicyTarget
from so101_node import names
from so101_node.errors import CellError
from so101_node.refusals import short
from so101_node.ros_node import CellNode

from .policy_options import LerobotPolicyOptions
from .policy_process import PolicyProcess
from .policy_setup import command_of, features_of_policy, units_of_policy

POLL = 0.2  # s


class LerobotPolicyNode(CellNode):
    """`lerobot_policy`: messages in and out around a `PolicyProcess`."""

    OPTIONS = LerobotPolicyOptions
    options: LerobotPolicyOptions

    def __init__(self) -> None:
        super().__init__('lerobot_policy')
        if not self.options.policy_directory:
            raise CellError('no policy is named; start the cell with policy:=lerobot:DIR')
        self._schema, self._units = self.options.schema(), units_of_policy(self.options)
        self._process = PolicyProcess(
            command_of(self.options), f'the policy {self.options.policy_directory}'
        )
        self._features: tuple[str, ...] = ()
        self._loaded = threading.Event()
        self.get_logger().info(f'loading {self.options.policy_directory}')
        self.guard(self._load)
        self._poll = self.create_timer(POLL, self._offer)

    def _load(self) -> None:
        try:
            wanted = self._process.load()
            self._features = features_of_policy(self.options, self._schema, wanted)
        except CellError as error:
            self.fatal(str(error), refused=True)
            return
        self.get_logger().info(f'a policy of type {wanted.kind}, joints in {self._units.name}')
        self._loaded.set()

    def _offer(self) -> None:
        """Offer the service once the policy is loaded: until then the actor does not start."""
        if self._loaded.is_set():
            self._poll.cancel()
            self.create_service(GetPolicyTarget, names.GET_POLICY_TARGET, self._on_request)

    def _on_request(
        self, request: GetPolicyTarget.Request, response: GetPolicyTarget.Response
    ) -> GetPolicyTarget.Response:
        try:
            joints = pack(request.joints.name, request.joints.position)
            images = self._images(request.images)
        except CellError as error:
            response.message = short(str(error))
            return response
        try:
            values = self._process.target(
                self._units.of_rad(joints).tolist(),
                images,
                request.reset,
                self._schema.instruction,
            )
            target = self._units.to_rad(np.array(values))
            found = joint_state(target, request.header.stamp)
            pack(found.name, found.position)  # more than a turn is no angle
        except CellError as error:  # the process does not go on after it
            response.message = short(str(error))
            self.fatal(str(error))
            return response
        response.ok, response.target = True, found
        return response

    def _images(self, images: list[Image]) -> dict[str, bytes]:
        """Return the RGB bytes of each image that the policy looks at; CellError for others."""
        if len(images) != len(self._schema.cameras):
            raise CellError(
                f'{len(images)} images, but the task has {len(self._schema.cameras)} cameras'
            )
        found = {}
        for feature, camera, image in zip(self._features, self._schema.cameras, images):
            size = camera.out_height, camera.out_width
            data = bytes(image.data)
            if (
                (image.height, image.width) != size
                or image.encoding != 'rgb8'
                or len(data) != size[0] * size[1] * 3
            ):
                raise CellError(
                    f'{camera.name}: {image.width}x{image.height} {short(image.encoding, 20)}, '
                    f'but the task has {size[1]}x{size[0]} rgb8'
                )
            if feature:
                found[feature] = data
        return found

    def close(self) -> None:
        """End the policy's process."""
        self._process.close()
