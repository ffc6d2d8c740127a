"""Hold an implementation of MLV, in any language, to the specification: the command `mlv-conformance`."""
