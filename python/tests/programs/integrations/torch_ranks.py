import os
import time

from mlvlogger import Exp

rank = int(os.environ["RANK"])
with Exp("runs", "e", exists="resume") if rank == 0 else Exp.join("runs/e") as exp:
    for step in range(10):
        exp.log.event("batch", step=step, attempt=int(os.environ["TORCHELASTIC_RESTART_COUNT"]))
        time.sleep(0.02)
        if rank == 1 and step == 5 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os.abort()
