"""Methods that learn an embedding of the nodes of one graph by contrast."""
