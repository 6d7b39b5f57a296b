"""The ground: files, clock, settings, schemas, locks; it imports nothing of the rest."""
