"""Methods that reconstruct what was hidden from them."""
