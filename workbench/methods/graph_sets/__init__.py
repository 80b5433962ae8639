"""Methods that learn on sets of graphs alone."""
