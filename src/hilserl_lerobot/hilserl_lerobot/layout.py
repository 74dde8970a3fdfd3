"""Where the files of a LeRobot dataset are, and its features. Versions 3.0 and 2.1."""

from typing import Any

VERSION, OLD_VERSION = 'v3.0', 'v2.1'
CHUNK = 1000  # files in a directory
DATA_MB, VIDEO_MB = 100, 200  # a file that is larger gets no further episode
INFO, STATS, TASKS = 'meta/info.json', 'meta/stats.json', 'meta/tasks.parquet'
EPISODES = 'meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
DATA = 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
VIDEO = 'videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4'
OLD_EPISODES = 'meta/episodes.jsonl'
OLD_DATA = 'data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet'
OLD_VIDEO = 'videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4'
FINAL = 'hilserl/final.parquet'  # of this suite: the final observation of each episode

STATE, ACTION, IMAGES = 'observation.state', 'action', 'observation.images.'
REWARD, DONE, SUCCESS = 'next.reward', 'next.done', 'next.success'
INTERVENTION, POLICY = 'is_intervention', 'policy_version'
# Of this suite: with these columns, steps are imported as they were recorded.
OWN_ACTION, OWN_STATE, SIGMA = 'hilserl.action', 'hilserl.state', 'hilserl.sigma'
TERMINATED, TRUNCATED = 'hilserl.terminated', 'hilserl.truncated'
STEP, STAMP, IMAGE_STAMPS = 'hilserl.step', 'hilserl.stamp', 'hilserl.image_stamps'
OWN = (OWN_ACTION, OWN_STATE, SIGMA, TERMINATED, TRUNCATED, STEP, STAMP, IMAGE_STAMPS)
DEFAULTS = ('timestamp', 'frame_index', 'episode_index', 'index', 'task_index')


def feature(dtype: str, size: int = 1, names: Any = None, **more: Any) -> dict[str, Any]:
    """Return the description of a feature of `size` values."""
    return {'dtype': dtype, 'shape': [size], 'names': names, **more}


def default_features() -> dict[str, Any]:
    """Return the features that every dataset has."""
    return {name: feature('float32' if name == 'timestamp' else 'int64') for name in DEFAULTS}
