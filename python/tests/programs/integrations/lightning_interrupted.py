"""Argument: the folder of test_lightning.py, in python/tests."""

import os
import sys
import warnings

warnings.simplefilter("ignore")
sys.path[:0] = [sys.argv[1], os.path.dirname(sys.argv[1])]
from test_lightning import Exp, MLVLogger, data, net, trainer

with Exp("runs", "e") as exp:
    trainer(MLVLogger(exp)).fit(net(stop=5, error=KeyboardInterrupt), data(), data())
