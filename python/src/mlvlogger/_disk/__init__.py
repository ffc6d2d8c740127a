"""How bytes get to the disk and back: folders, files of lines, publication. Nothing here knows events."""
