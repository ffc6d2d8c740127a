import os

from mlvlogger import Exp

rank = int(os.environ["RANK"])
if rank == 0:
    exp = Exp("runs", "e", {"world": int(os.environ["WORLD_SIZE"])}, exists="resume")
else:
    exp = Exp.join("runs/e")
attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
with exp:
    for step in range(20):
        exp.log.event("batch", step=step, rank=rank, attempt=attempt)
        if attempt == 0 and step == 10 and rank == 2:
            os.abort()
        if attempt == 0 and step == 15:
            print("ready", flush=True)
            input()
