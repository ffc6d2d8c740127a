"""Uses the installed mlvlogger, and prints where it is. Argument: a directory for an experiment."""

import importlib.metadata
import sys

import mlvlogger

assert importlib.metadata.version("mlvlogger") == mlvlogger.__version__
with mlvlogger.Exp(sys.argv[1], "demo", {"lr": 3e-4}) as exp:
    exp.log.event("batch", step=0, loss=0.5)
assert mlvlogger.read(exp.path).metric("batch", "loss") == ([0], [0.5])
print(mlvlogger.__file__)
