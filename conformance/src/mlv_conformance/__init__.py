"""Test an implementation of MLV, in any language, against the specification: the command `mlv-conformance`."""
