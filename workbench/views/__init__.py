"""Random views of an input."""
