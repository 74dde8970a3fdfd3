"""The active policy, and the policy that replaces it at the next tick."""

from collections import deque

from hilserl_core.policy.inference import Policy

from .target_policy import TargetPolicy

DrivingPolicy = Policy | TargetPolicy
MAX_LATENCY = 60.0  # s; a larger or negative one: the wall clock was set meanwhile


class ActivePolicy:
    """`policy` is the active policy; None before the first one. Any thread may call `offer`."""

    def __init__(self) -> None:
        self.policy: DrivingPolicy | None = None
        self.latencies: deque[float] = deque(maxlen=100)  # s, from publication to use
        self._offered: deque[tuple[DrivingPolicy, int, int]] = deque(maxlen=1)

    @property
    def sha256(self) -> str:
        """SHA-256 of the active policy's bundle; empty if there is none."""
        return self.policy.sha256 if self.policy else ''

    def offer(self, policy: DrivingPolicy, published: int, env_steps: int) -> None:
        """Hand over a loaded policy.

        published: ns of the ROS clock; 0: before the loop began. env_steps: the number of steps of
        the run that the learner had received when it published the policy.
        """
        self._offered.append((policy, published, env_steps))

    def change(self, now: int) -> int:
        """Activate the policy offered last; return its `env_steps`, or 0 if none was offered.

        now: ns of the ROS clock. Only the control loop's thread may call it, because it counts the
        steps.
        """
        if not self._offered:
            return 0
        policy, published, env_steps = self._offered.popleft()
        if isinstance(policy, Policy) and isinstance(self.policy, Policy):
            policy.continue_from(self.policy)
        self.policy = policy
        latency = (now - published) * 1e-9
        if published and 0.0 <= latency < MAX_LATENCY:
            self.latencies.append(latency)
        return env_steps
