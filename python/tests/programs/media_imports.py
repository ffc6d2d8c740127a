import sys

from mlvlogger import Exp

with Exp("runs", "e") as exp:
    exp.attach(b"x", "x.bin")
    try:
        exp.attach(object())
    except TypeError:
        pass
assert not {"numpy", "PIL", "matplotlib", "plotly", "pandas", "polars", "pyarrow", "torch"} & set(sys.modules)
