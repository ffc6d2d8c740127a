"""Reading: meta records, events and what they say together. Nothing here writes or locks."""
