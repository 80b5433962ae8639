"""The methods by name; their names and files are read without importing any."""

from typing import Any

from workbench.registry import Registry

METHODS: Registry[Any] = Registry("method", "workbench.methods", "METHODS")
