"""The console scripts of this package."""

from so101_node.entry import node_entry

link_client = node_entry('hilserl_link.link_client_node', 'LinkClientNode')
link_server = node_entry('hilserl_link.link_server_node', 'LinkServerNode')
