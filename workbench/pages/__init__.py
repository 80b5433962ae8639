"""Pages: executed notebooks, and the gallery that leads to them."""
