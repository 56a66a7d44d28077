"""A page of the playground as one file, with frames that were recorded."""
