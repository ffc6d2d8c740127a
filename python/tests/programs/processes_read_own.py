import sys

from mlvlogger import Logger, StreamBusy

try:
    Logger(sys.argv[1])
except StreamBusy as error:
    print(error)
