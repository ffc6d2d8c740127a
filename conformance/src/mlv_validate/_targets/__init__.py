"""What is judged: a target, the experiments in it, and their streams."""
