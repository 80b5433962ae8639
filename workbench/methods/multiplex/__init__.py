"""Methods that learn on several relations between the same nodes."""
