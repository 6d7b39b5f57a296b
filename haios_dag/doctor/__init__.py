"""Checks of the installation and the memory, with advice and repairs."""
