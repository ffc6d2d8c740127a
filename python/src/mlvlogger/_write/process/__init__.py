"""The process writer: a client in the program, a server in another process, and the memory between them."""
