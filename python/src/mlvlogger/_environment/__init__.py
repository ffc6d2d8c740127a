"""The environment of this process: machine, Python, command and git repository, for a metadata record."""
