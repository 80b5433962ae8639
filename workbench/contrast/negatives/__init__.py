"""Negatives: the sampling context, the samplers, what they select, and the contrast that they fill."""
