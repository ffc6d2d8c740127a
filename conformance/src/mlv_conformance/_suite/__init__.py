"""The data of the suite: cases, reads, vectors and scenarios, and the directories that they describe."""
