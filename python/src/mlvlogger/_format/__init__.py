"""What the specification says of names, values, records and lines. Nothing here reads or writes a file."""
