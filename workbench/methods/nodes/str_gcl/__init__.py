"""Str-GCL and its rule branch."""
