"""Methods that learn on typed graphs."""
