"""Reports for people and for other tools, and the progress on a terminal."""
