"""Reading bytes: directories that others may change at any moment, and lines of files. It knows no rule."""
