"""Convert a DrQ-v2 snapshot to a policy bundle: ./cell import --policy FILE.

The snapshot is a state dict (.pt) or a .safetensors file; pickled objects are refused.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from so101_node.errors import CellError


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('file', type=Path, help='state dict (.pt) or .safetensors')
    parser.add_argument('--out', type=Path, required=True, help='bundle to write')
    parser.add_argument(
        '--task', default='grasp_lift', help='name of the task, or path of its file'
    )
    parser.add_argument('--image-width', type=int, default=160, help='of the camera, pixels')
    parser.add_argument('--image-height', type=int, default=120, help='of the camera, pixels')
    parser.add_argument(
        '--frame-size',
        type=int,
        default=0,
        help='height and width of the images that the policy sees, pixels (0: those of the task)',
    )


def main(options: Namespace) -> None:
    """Convert one file."""
    from hilserl_core.contract.tasks import make_task
    from so101_description.model import model_hash

    from ..importing.policy_snapshot import KEYS, convert, read_weights

    schema = make_task(
        options.task,
        model_hash(),
        options.image_width,
        options.image_height,
        frame_size=options.frame_size,
    )
    try:
        data, lines = convert(read_weights(options.file), schema)
    except CellError as error:
        raise CellError(f'{options.file}: {error}') from error
    try:
        with open(options.out, 'xb') as file:
            file.write(data)
    except OSError as error:
        raise CellError(f'{options.out} cannot be written: {error}') from error
    print('\n'.join(lines))
    print(
        f'{len(KEYS)} tensors matched; start with ./cell train algorithm:=drqv2 '
        f'pretrained:={options.out}'
    )
