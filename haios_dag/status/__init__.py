"""The status that agents read: a full file and a slim one, with the same facts.

Other programs (hooks, gates, session starts) keep keys there too, which are carried over.
"""
