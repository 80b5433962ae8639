"""Benchmarks of time and memory, run from a clone of the project by `workbench bench`."""
