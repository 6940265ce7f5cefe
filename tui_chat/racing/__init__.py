"""Several models answer one stored prompt at once, each on its own branch."""
