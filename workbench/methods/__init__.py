"""The methods: one file each, found by name."""

from workbench.methods.base import METHODS, Config, Method, Step, configure, preset_names

names = METHODS.names
get = METHODS.get
presets = preset_names

__all__ = ["METHODS", "Config", "Method", "Step", "configure", "get", "names", "presets"]
