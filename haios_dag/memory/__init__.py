"""The memory database: HAIOS's tables, our bookkeeping, and all the SQL there is."""
