"""Methods that begin with a pretrained encoder."""
