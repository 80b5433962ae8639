"""Training: the fit, its loop, the runs that come of it and their store."""
