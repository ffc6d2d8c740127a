import logging
import threading
import warnings
from typing import Any

from mlvlogger import Exp
from mlvlogger.integrations.logging import MLVHandler
from programs.limits import limit_size

logging.captureWarnings(True)
warnings.simplefilter("always")
exp = Exp("runs", "e")
logging.getLogger().addHandler(MLVHandler(exp))
log = exp.stream("logging")
limit_size(20000)


def work(function: Any) -> None:
    for n in range(300):
        function(n)


events = [threading.Thread(target=work, args=[lambda n: log.event("n", n=n)]) for _ in range(2)]
records = [threading.Thread(target=work, args=[lambda n: logging.error("%d", n)]) for _ in range(2)]
for thread in events + records:
    thread.start()
for thread in events + records:
    thread.join()
limit_size(None)
exp.close()
