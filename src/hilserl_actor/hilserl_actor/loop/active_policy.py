"""The active policy, and the one that replaces it at the next tick."""

from collections import deque

from hilserl_core.policy.bundle import Policy


class ActivePolicy:
    """`policy` drives (None: none was offered yet). `offer` may be called by any thread."""

    def __init__(self):
        self.policy: Policy | None = None
        self.latencies: deque[float] = deque(maxlen=100)  # s, from publication to driving
        self._offered: deque[tuple[Policy, int, int]] = deque(maxlen=1)

    @property
    def sha256(self) -> str:
        """Of the bundle of the policy that drives; empty: none."""
        return self.policy.sha256 if self.policy else ''

    def offer(self, policy: Policy, published: int, env_steps: int) -> None:
        """Hand over a loaded policy.

        published: ns of the ROS clock; 0: before the loop began. env_steps: the run's steps that
        the learner knew when it published the policy.
        """
        self._offered.append((policy, published, env_steps))

    def change(self, now: int) -> int:
        """Make the policy offered last the active one from now (ns) on; returns its `env_steps`.

        0: no policy was offered. Only the control loop's thread, which counts steps, calls it.
        """
        if not self._offered:
            return 0
        policy, published, env_steps = self._offered.popleft()
        if self.policy is not None:
            policy.continue_from(self.policy)
        self.policy = policy
        if published:
            self.latencies.append((now - published) * 1e-9)
        return env_steps
