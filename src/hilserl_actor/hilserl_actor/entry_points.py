"""The console scripts of this package."""

from so101_node.entry import node_entry

actor = node_entry('hilserl_actor.actor_node', 'ActorNode')
operator = node_entry('hilserl_actor.operator_node', 'OperatorNode')
