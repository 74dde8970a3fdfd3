"""The console scripts of this package."""

from so101_node.entry import node_entry

learner = node_entry('hilserl_learner.learner_node', 'LearnerNode')
