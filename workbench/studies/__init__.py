"""Studies: many runs compared, and what can be said of them."""
