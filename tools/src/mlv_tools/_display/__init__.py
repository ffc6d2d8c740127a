"""Text and values on terminals, on pages and in notebooks: control characters are escaped."""
