"""Resonance: what happened, and what the events say together.

One pass over the event log and HAIOS's governance log makes a story, of which rules tell.
"""
