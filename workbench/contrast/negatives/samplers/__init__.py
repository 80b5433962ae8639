"""The samplers that choose negatives, by what they look at; each registers itself by name."""
