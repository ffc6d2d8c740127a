import sys
import types

from mlvlogger import Exp

Exp("runs", "e", {"a": types.SimpleNamespace(b=1)}).close()
libraries = {"pydantic", "attrs", "attr", "omegaconf", "argparse", "dataclasses", "decimal", "uuid"}
assert not {"numpy", "torch", "tensorflow", "ml_collections", *libraries} & set(sys.modules)
