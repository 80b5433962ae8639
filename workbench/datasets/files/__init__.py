"""Graphs from files: named ones with their facts, and a person's own."""
