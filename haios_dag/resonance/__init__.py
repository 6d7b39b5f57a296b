"""Resonance: what happened, and what the events say together.

The event log and HAIOS's governance log are read into a story, in which rules find patterns.
"""
