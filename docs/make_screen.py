"""Makes docs/screen.svg: the operator's screen of a cell that runs (`./cell train`) meanwhile."""

import io
from pathlib import Path
import re
import sys
import time

import rclpy
from rich.console import Console

from hilserl_actor.operator_node import OperatorNode

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
rclpy.init()
node = OperatorNode()
until = time.monotonic() + seconds
while time.monotonic() < until:
    rclpy.spin_once(node, timeout_sec=0.1)
console = Console(record=True, width=112, file=io.StringIO(), force_terminal=True)
console.print(node.screen.render(time.monotonic(), 40, 112))
svg = console.export_svg(title='./cell train')
# no font from elsewhere: the reader's own monospace
svg = re.sub(r'@font-face \{.*?\}', '', svg, flags=re.DOTALL)
Path(__file__).with_name('screen.svg').write_text(svg, encoding='utf-8')
