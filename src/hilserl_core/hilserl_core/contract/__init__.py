"""The task contract: what is observed, done and rewarded, and the step that records it."""

__all__ = [
    'action_check',
    'evaluation_report',
    'kinematics_check',
    'observation',
    'scene_file',
    'steps',
    'success_interval',
    'task',
    'task_file',
    'task_options',
    'task_text',
    'tasks',
]
