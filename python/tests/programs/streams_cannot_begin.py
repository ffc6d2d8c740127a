import os

from mlvlogger import Logger
from programs.limits import limit_size

limit_size(20)
try:
    Logger("a.jsonl")
except OSError as error:
    print(error.strerror)
    limit_size(None)
print(os.listdir())
