"""The format, as specified: names, values, records and lines. Nothing here reads or writes a file."""
