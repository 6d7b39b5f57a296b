"""Searching the memory."""
