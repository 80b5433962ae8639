"""Graphs that need no file: embedded ones, and planted ones whose answers are known."""
