"""When the heart beats, and the entries that make an operating system's scheduler beat it."""
