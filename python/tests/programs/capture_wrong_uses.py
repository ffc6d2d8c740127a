import os
import signal
import threading
import time
import warnings

from mlvlogger import Exp, StreamBusy

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork of a program with threads

with Exp("runs", "e") as exp:
    with exp.capture():
        try:
            exp.capture()
        except RuntimeError as error:
            assert "captured already" in str(error)
        else:
            raise AssertionError
    exp.stream("mine")
    try:
        exp.capture("mine")
    except StreamBusy as error:
        assert "mine.jsonl: another writer has the log" in str(error)
    else:
        raise AssertionError
    before = os.listdir("/proc/self/fd")
    with exp.capture():
        pass
    while any(thread.name == "mlv-capture" for thread in threading.enumerate()):
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) == len(before)
