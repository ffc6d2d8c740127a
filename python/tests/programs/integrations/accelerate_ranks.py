"""Arguments: the folder of test_accelerate.py, in python/tests, and `again` in the second run."""

import os
import sys
import warnings

warnings.simplefilter("ignore")
sys.path[:0] = [sys.argv[1], os.path.dirname(sys.argv[1])]
from accelerate import PartialState
from test_accelerate import Exp, MLVTracker, train

main = PartialState(cpu=True).is_main_process
with Exp("runs", "e", exists="resume") if main else Exp.join("runs/e") as exp:
    train(exp, stop=-1 if "again" in sys.argv else 7, resume="again" in sys.argv)
    MLVTracker(exp).log({"last": 1})
    exp.log.event("mine")
