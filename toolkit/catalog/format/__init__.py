"""How a catalog lies in its store: paths, arrays, records."""
