"""The console scripts of this package."""

from so101_node.entry import node_entry

kinematics = node_entry('so101_description.kinematics_node', 'KinematicsNode')
view = node_entry('so101_description.view_node', 'ViewNode')
