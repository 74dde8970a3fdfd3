"""The console scripts of this package."""

from so101_node.entry import node_entry

driver = node_entry('so101_driver.driver_node', 'DriverNode')
camera = node_entry('so101_driver.camera_node', 'CameraNode')
