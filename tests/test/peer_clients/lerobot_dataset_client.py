"""LeRobot's own dataset class and ACT policy as clients. Arguments: task, directory, file.

The file is .npz: `read` writes what the dataset gives, `write` records what it has, `train` trains
10 steps and prints the losses as one JSON line, `policy` trains with LeRobot's own command (the
file is the output directory), `drive` prints a policy's (the file's) answers to the first rows.
"""

import itertools
import json
import sys

import numpy as np
import torch

# The wheel of torchvision has operators for CUDA only. Nothing here uses them.
OPERATORS = torch.library.Library('torchvision', 'DEF')
for name in ('nms', 'qnms'):
    OPERATORS.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')

import av  # noqa: E402
import torchvision  # noqa: E402


class VideoReader:
    """The reader over PyAV that torchvision had until 0.25, as far as LeRobot uses it."""

    def __init__(self, path, _stream):
        self.container = av.open(path)
        self._stream = self.container.streams.video[0]

    def seek(self, seconds, keyframes_only):
        """Go to the key frame at or before a time."""
        self.container.seek(int(seconds / self._stream.time_base), stream=self._stream)

    def __iter__(self):
        for frame in self.container.decode(self._stream):
            image = torch.from_numpy(frame.to_ndarray(format='rgb24'))
            yield {'data': image.permute(2, 0, 1), 'pts': frame.time}


torchvision.io.VideoReader = VideoReader

from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402


def read(directory, file):
    """Write every number and image of every row."""
    dataset = LeRobotDataset('local/dataset', root=directory)
    rows = [dataset[i] for i in range(len(dataset))]
    columns = {
        key: np.stack([np.asarray(row[key]) for row in rows]) for key in rows[0] if key != 'task'
    }
    np.savez(file, task=np.array([row['task'] for row in rows]), **columns)


def write(directory, file):
    """Record a dataset of the joints and images in the file, with LeRobot's recording API."""
    given = np.load(file)
    images = [name for name in given if name.startswith('observation.images.')]
    names = [str(name) for name in given['names']]
    joints = {'dtype': 'float32', 'shape': (len(names),), 'names': names}
    features = {'observation.state': joints, 'action': joints}
    for name in images:
        kind = 'video' if name.endswith('wrist') else 'image'
        described = ['height', 'width', 'channels']
        features[name] = {'dtype': kind, 'shape': given[name].shape[2:], 'names': described}
    dataset = LeRobotDataset.create(
        'local/recorded', int(given['fps']), features, root=directory, robot_type='so101_follower'
    )
    for episode in range(len(given['action'])):
        for row in range(len(given['action'][episode])):
            frame = {
                name: given[name][episode, row]
                for name in ('observation.state', 'action', *images)
            }
            dataset.add_frame({**frame, 'task': f'task {episode % 2}'})
        dataset.save_episode()
    dataset.finalize()


def train(directory, _):
    """Train a small ACT for 10 steps."""
    from lerobot.configs.types import FeatureType
    from lerobot.datasets.utils import dataset_to_policy_features
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy

    fps = LeRobotDataset('local/dataset', root=directory).fps
    dataset = LeRobotDataset(
        'local/dataset', root=directory, delta_timestamps={'action': [i / fps for i in range(4)]}
    )
    features = dataset_to_policy_features(dataset.meta.features)
    outputs = {k: f for k, f in features.items() if f.type is FeatureType.ACTION}
    inputs = {k: f for k, f in features.items() if k not in outputs}
    config = ACTConfig(
        input_features=inputs,
        output_features=outputs,
        chunk_size=4,
        n_action_steps=4,
        dim_model=64,
        n_heads=2,
        dim_feedforward=64,
        n_encoder_layers=1,
        pretrained_backbone_weights=None,
        device='cpu',
    )
    policy = ACTPolicy(config)
    policy.train()
    optimizer = torch.optim.Adam(policy.parameters(), 1e-4)
    losses = []
    loader = torch.utils.data.DataLoader(dataset, batch_size=2, shuffle=True)
    for batch in itertools.islice(itertools.cycle(loader), 10):
        scaled = {key: batch[key] / 100.0 for key in ('observation.state', 'action')}
        loss, _ = policy.forward(batch | scaled)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    print(json.dumps({'losses': losses, 'actions': list(outputs)}))


def policy(directory, out):
    """Train a small ACT for 10 steps with LeRobot's own command."""
    from lerobot.scripts.lerobot_train import main

    small = {'chunk_size': 4, 'n_action_steps': 2, 'dim_model': 64, 'n_heads': 2}
    small |= {'dim_feedforward': 64, 'n_encoder_layers': 1, 'n_vae_encoder_layers': 1}
    given = {'dataset.repo_id': 'local/dataset', 'dataset.root': directory, 'output_dir': out}
    given |= {'steps': 10, 'save_freq': 10, 'eval_freq': 0, 'batch_size': 2, 'num_workers': 0}
    given |= {f'policy.{name}': value for name, value in small.items()}
    given |= {'policy.type': 'act', 'policy.device': 'cpu', 'policy.push_to_hub': 'false'}
    given |= {'policy.pretrained_backbone_weights': 'null', 'wandb.enable': 'false'}
    sys.argv = ['lerobot-train', *(f'--{name}={value}' for name, value in given.items())]
    main()


def drive(directory, trained):
    """Print the policy's targets for the first rows, as LeRobot's own evaluation computes them."""
    from lerobot.configs.policies import PreTrainedConfig
    from lerobot.policies.factory import get_policy_class, make_pre_post_processors
    from lerobot.policies.utils import prepare_observation_for_inference

    config = PreTrainedConfig.from_pretrained(trained)
    loaded = get_policy_class(config.type).from_pretrained(trained)
    before, after = make_pre_post_processors(config, pretrained_path=trained)
    dataset = LeRobotDataset('local/dataset', root=directory)
    targets = []
    for row in range(3):
        observation = {}
        for name in config.input_features:
            value = dataset[row][name]
            if name.startswith('observation.images.'):
                value = (value.permute(1, 2, 0) * 255.0).round().to(torch.uint8)
            observation[name] = value.numpy()
        ready = prepare_observation_for_inference(observation, torch.device('cpu'), 'reach', '')
        with torch.inference_mode():
            targets.append(after(loaded.select_action(before(ready)))[0].tolist())
    print(json.dumps(targets))


task, *paths = sys.argv[1:]
COMMANDS = {'read': read, 'write': write, 'train': train, 'policy': policy, 'drive': drive}
COMMANDS[task](*paths)
