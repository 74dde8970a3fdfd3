"""The console script of this package."""

from so101_node.entry import node_entry

success_detector = node_entry('hilserl_reward.success_detector_node', 'SuccessDetectorNode')
