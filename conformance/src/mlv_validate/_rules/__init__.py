"""The rules of the specification, one file for each chapter."""
