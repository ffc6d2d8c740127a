"""The views of `connect`: experiments, events, metrics and problems as tables of DuckDB."""
