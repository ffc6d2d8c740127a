"""Writing: streams of events, their recovery and seals, and metadata records. Nothing here reads an experiment."""
