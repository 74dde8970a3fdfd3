"""The curves of a run: tag with its group, what it shows, and which of them share a diagram.

A success is that of the policy alone; a success with a human step is called one with help.
"""

from typing import NamedTuple

IMAGES = 'what the policy sees'  # tag of the images: the last episode, from left to right


class Curve(NamedTuple):
    """Where a curve is shown, and what it shows."""

    tag: str  # group/name
    text: str


_STEPS, _UPDATES = ' Over steps of the run.', ' Over updates.'

# Of each finished episode, over steps of the run.
EPISODE = {
    'success_alone': Curve(
        'success/alone', '1: the policy succeeded without a human step, else 0.' + _STEPS
    ),
    'success_with_help': Curve(
        'success/with_help', '1: success in which a human took over, else 0.' + _STEPS
    ),
    'success_alone_last_20': Curve(
        'success/alone_last_20',
        'Share of the last 20 episodes in which the policy succeeded without a human step.'
        + _STEPS,
    ),
    'steps': Curve('episode/steps', 'Length of the episode in control steps.' + _STEPS),
    'human_share': Curve('episode/human_share', 'Share of steps that a human drove.' + _STEPS),
}

# Of the updates, over their number.
UPDATES = {
    name: Curve(f'{group}/{name}', text + _UPDATES)
    for group, texts in {
        'loss': {
            'critic_loss': 'Squared error of Q to its target, all critics.',
            'actor_loss': "Minus Q of the policy's action, plus bc_weight times bc_loss.",
            'bc_loss': "Squared error of the policy's action to that of the human.",
            'gripper_loss': 'Loss of the critic of a discrete gripper.',
        },
        'value': {
            'q_mean': 'Mean Q in a batch; above q_bound it cannot be right.',
            'q_max': 'Highest Q in a batch.',
            'q_bound': 'The highest return that is possible.',
            'q_mean_to_bound': 'q_mean as a share of q_bound.',
            'target_mean': 'Mean target of Q.',
            'td_error': 'Mean distance of Q to its target.',
            'reward_mean': 'Mean n-step reward in a batch.',
        },
        'network': {
            'critic_gradient_norm': "Norm of the critics' and encoder's gradient.",
            'actor_gradient_norm': "Norm of the actor's gradient.",
            'action_norm': "Norm of the policy's mean action.",
            'action_saturation': 'Share of action components at their limit.',
        },
        'schedule': {
            'sigma': 'Exploration noise.',
            'bc_weight': 'Weight of cloning human actions.',
            'update_ratio': 'Updates for each step of the run, as achieved.',
        },
        'replay': {
            'replay_steps': 'Transitions in the replay.',
            'prior_steps': 'Of these: demonstrations and interventions.',
            'rejected_steps': 'Steps that could not be used.',
            'human_share': 'Share of human transitions in a batch.',
        },
        'health': {
            'state_outside_share': 'Share of state values outside the range in the replay.',
        },
    }.items()
    for name, text in texts.items()
}

# Diagrams with several curves: page -> diagram -> tags.
LAYOUT = {
    'a session at a glance': {
        'success of the policy alone, and with help': [
            EPISODE['success_alone_last_20'].tag,
            EPISODE['success_with_help'].tag,
        ],
        'human share': [EPISODE['human_share'].tag],
        'Q and its bound': [UPDATES[n].tag for n in ('q_mean', 'target_mean', 'q_bound')],
        'losses': [UPDATES[n].tag for n in ('critic_loss', 'actor_loss', 'bc_loss')],
        'exploration noise': [UPDATES['sigma'].tag],
    }
}


def update_curve(name: str) -> Curve:
    """Return the curve of a metric of the updates; metrics of each camera are in `health`."""
    return UPDATES.get(name) or Curve(f'health/{name}', f'{name}.{_UPDATES}')
