"""The console script of this package."""

from so101_node.entry import node_entry

console = node_entry('hilserl_console.console_node', 'ConsoleNode')
