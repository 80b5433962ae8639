"""Methods that learn on users and items."""
