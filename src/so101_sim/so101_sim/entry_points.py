"""The console scripts of this package."""

from so101_node.entry import node_entry

world = node_entry('so101_sim.world_node', 'WorldNode')
virtual_leader = node_entry('so101_sim.virtual_leader_node', 'VirtualLeaderNode')
scripted_operator = node_entry('so101_sim.scripted_operator_node', 'ScriptedOperatorNode')
