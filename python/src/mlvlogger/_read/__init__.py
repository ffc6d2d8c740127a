"""Reading: metadata records, streams, and the state that they determine. Nothing here writes or locks."""
