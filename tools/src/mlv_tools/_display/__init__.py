"""Text and values on a terminal, on a page and in a notebook; control characters are escaped."""
