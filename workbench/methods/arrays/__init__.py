"""Methods that learn on rows of an array."""
