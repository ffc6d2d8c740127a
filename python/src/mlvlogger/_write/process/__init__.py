"""The process writer: the logger process puts events into shared memory, and the writer process writes the file."""
