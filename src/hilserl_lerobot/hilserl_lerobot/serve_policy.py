"""Runs a policy of LeRobot, in LeRobot's environment: `python -m hilserl_lerobot.serve_policy`.

Arguments: number of the inherited socket, directory of the policy, device. It loads the policy,
tells its inputs, and answers each observation with a joint target, all in the dataset's units. It
imports nothing of this suite but `wire`, and ends with the other end of the socket.
"""

from pathlib import Path
import socket
import sys
from typing import Any

from .wire import WireError, receive, send

TYPES = ('act', 'diffusion')
STATE, ACTION = 'observation.state', 'action'


def main() -> None:
    """Serve one policy until the other end is gone."""
    link = socket.socket(fileno=int(sys.argv[1]))
    try:
        try:
            served = LerobotPolicy(Path(sys.argv[2]), sys.argv[3])
            send(link, {'kind': 'ready', **served.inputs()})
        except Exception as error:  # of any package of the other environment
            text = ' '.join(f'{type(error).__name__}: {error}'.split())
            send(link, {'kind': 'error', 'message': text[:500]})
            return
        while True:
            message, data = receive(link)
            values = served.act(message, data)
            send(link, {'kind': 'target', 'number': message['number'], 'values': values})
    except WireError:
        return  # the cell has ended


class LerobotPolicy:
    """A policy that LeRobot trained, with its normalisation."""

    def __init__(self, directory: Path, device: str):
        import_torchvision()
        from lerobot.configs.policies import PreTrainedConfig
        from lerobot.policies.factory import get_policy_class, make_pre_post_processors
        import torch

        self._torch = torch
        config = PreTrainedConfig.from_pretrained(directory, local_files_only=True)
        if config.type not in TYPES:
            raise ValueError(f'policies of type {config.type} cannot drive; {TYPES} can')
        config.device, config.pretrained_path = device, directory
        if hasattr(config, 'pretrained_backbone_weights'):
            config.pretrained_backbone_weights = None  # they are in the policy's own file
        kind = get_policy_class(config.type)
        self._policy = kind.from_pretrained(directory, config=config, local_files_only=True)
        self._policy.to(device).eval()
        self._before, self._after = make_pre_post_processors(
            config,
            pretrained_path=str(directory),
            preprocessor_overrides={'device_processor': {'device': device}},
        )
        self._config, self._device = config, device
        images = [(name, shape) for name, shape in self.inputs()['images'].items()]
        zeros = b''.join(bytes(height * width * 3) for _, (_, height, width) in images)
        size = self.inputs()['state']
        request = {'state': [0.0] * size, 'images': [name for name, _ in images], 'reset': True}
        self.act(request, zeros)  # the first one takes longest
        self._policy.reset()

    def inputs(self) -> dict[str, Any]:
        """Return what the policy needs and gives: images (3, height, width), sizes, others."""
        features = self._config.input_features
        images = {name: list(f.shape) for name, f in features.items() if f.type.name == 'VISUAL'}
        state = features.get(STATE)
        return {
            'type': self._config.type,
            'images': images,
            'state': state.shape[0] if state else 0,
            'action': self._config.output_features[ACTION].shape[0],
            'others': [name for name in features if name != STATE and name not in images],
        }

    def act(self, message: dict[str, Any], data: bytes) -> list[float]:
        """Return the joint target for an observation: state, images (RGB), reset."""
        torch = self._torch
        if message['reset']:
            self._policy.reset()
        observation: dict[str, Any] = {'task': message.get('task', '')}
        if self.inputs()['state']:
            observation[STATE] = torch.tensor(message['state'], dtype=torch.float32)[None]
        start = 0
        for name in message['images']:
            _, height, width = self.inputs()['images'][name]
            pixels = bytearray(data[start : start + height * width * 3])
            start += len(pixels)
            image = torch.frombuffer(pixels, dtype=torch.uint8).reshape(height, width, 3)
            observation[name] = image.permute(2, 0, 1)[None].float() / 255.0
        with torch.inference_mode():
            action = self._after(self._policy.select_action(self._before(observation)))
        values: list[float] = action.reshape(-1).float().cpu().tolist()
        return values


def import_torchvision() -> None:
    """Import torchvision. Its wheel for CUDA cannot define two operators on a torch without it."""
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [n for n in sys.modules if n.partition('.')[0] == 'torchvision']:
            del sys.modules[name]
        library: Any = torch.library.Library('torchvision', 'DEF')  # type: ignore[no-untyped-call]
        for name in ('nms', 'qnms'):
            library.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
        LIBRARIES.append(library)  # it takes its operators with it


LIBRARIES: list[Any] = []

if __name__ == '__main__':
    main()
