"""Access to the disk: folders, files of lines, publication. Nothing here knows events."""
