"""Prints where the installed mlv_validate is, and the schemas in it."""

import importlib.metadata
import importlib.resources

import mlv_validate

assert importlib.metadata.version("mlv-validate") == mlv_validate.__version__
print(mlv_validate.__file__)
for name in sorted(path.name for path in (importlib.resources.files("mlv_validate") / "spec/1.0/schemas").iterdir()):
    print(name)
