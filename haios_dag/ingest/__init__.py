"""Documents and traces of a workspace to records for the memory."""
