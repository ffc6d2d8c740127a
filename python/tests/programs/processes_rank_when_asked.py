import os

from mlvlogger import Exp

Exp("runs", "e").close()
for rank in range(3):
    os.environ["RANK"] = str(rank)
    Exp.join("runs/e").close()
