"""The JSON schemas of the specification as functions, and messages about values that break them."""
