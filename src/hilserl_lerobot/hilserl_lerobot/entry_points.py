"""The console script of this package."""

from so101_node.entry import node_entry

lerobot_policy = node_entry('hilserl_lerobot.lerobot_policy_node', 'LerobotPolicyNode')
