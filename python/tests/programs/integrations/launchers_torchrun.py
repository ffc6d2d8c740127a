import os

from mlvlogger import Exp

if os.environ["RANK"] == "0":
    Exp("runs", "e").close()
else:
    Exp.join("runs/e").close()
