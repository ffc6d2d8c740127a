import signal
import sys
import warnings

from mlvlogger import Exp
from programs.limits import check_written_directly, limit_size, open_files

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
before = open_files()
limit_size(int(sys.argv[1]) * 1024)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    exp = Exp("runs", "e", writer="process")
check_written_directly(exp, caught)
assert open_files() <= before
