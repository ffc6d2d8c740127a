"""The version of this package, and of the specification that it knows."""

__version__ = "0.1.0"

SPEC_VERSION = "1.0"
"""The latest version of the specification that is known here."""
