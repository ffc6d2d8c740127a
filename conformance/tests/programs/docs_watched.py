"""Runs a script, and prints what it imported besides the standard library and its uses of the network."""

import sys
from pathlib import Path

network: list[str] = []
sys.addaudithook(lambda event, arguments: network.append(event) if event.startswith("socket.") else None)
before = set(sys.modules)
exec(Path(sys.argv[1]).read_text())
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print("network:", network, "imported:", sorted(names - sys.stdlib_module_names - {"mlvlogger"}))
