"""A pulse for an agent's memory.

Importing the package does no I/O and imports nothing heavy: every step imports what it needs
when it runs.
"""

__version__ = "0.1.0"
