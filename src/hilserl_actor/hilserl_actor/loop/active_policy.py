"""The policy that drives, and the one that takes over from it at the next tick."""

from collections import deque

from hilserl_core.policy.bundle import Policy


class PolicySeat:
    """`policy` drives (None: nobody has offered one). Offers come from any thread."""

    def __init__(self):
        self.policy: Policy | None = None
        self.latencies: deque[float] = deque(maxlen=100)  # s, from publication to driving
        self._offered: deque[tuple[Policy, int]] = deque(maxlen=1)

    @property
    def sha256(self) -> str:
        """Of the bundle of the policy that drives; empty: none."""
        return self.policy.sha256 if self.policy else ''

    def offer(self, policy: Policy, published: int) -> None:
        """Hand over a loaded policy. published: ns of the ROS clock; 0: before the loop began."""
        self._offered.append((policy, published))

    def change(self, now: int) -> None:
        """Let the one that was offered last drive from now (ns) on."""
        if not self._offered:
            return
        policy, published = self._offered.popleft()
        if self.policy is not None:
            policy.continue_from(self.policy)
        self.policy = policy
        if published:
            self.latencies.append((now - published) * 1e-9)
