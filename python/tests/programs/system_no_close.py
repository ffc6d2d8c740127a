from pathlib import Path

from mlvlogger import Exp

exp = Exp("runs", "e")
exp.watch(0.1)
log = Path("runs/e/log/system.jsonl")
while not log.exists() or log.read_text().count('"sample"') < 2:
    pass
