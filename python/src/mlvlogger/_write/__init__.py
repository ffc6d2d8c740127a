"""Writing: streams of events, their recovery and seals, and meta records. Nothing here reads an experiment."""
