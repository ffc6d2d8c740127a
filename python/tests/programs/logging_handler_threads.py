import logging
import resource
import signal
import threading
import warnings
from typing import Any

from mlvlogger import Exp
from mlvlogger.integrations.logging import MLVHandler

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
logging.captureWarnings(True)
warnings.simplefilter("always")
exp = Exp("runs", "e")
logging.getLogger().addHandler(MLVHandler(exp))
log = exp.stream("logging")
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))


def work(function: Any) -> None:
    for n in range(300):
        function(n)


events = [threading.Thread(target=work, args=[lambda n: log.event("n", n=n)]) for _ in range(2)]
records = [threading.Thread(target=work, args=[lambda n: logging.error("%d", n)]) for _ in range(2)]
for thread in events + records:
    thread.start()
for thread in events + records:
    thread.join()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
exp.close()
