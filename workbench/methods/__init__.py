"""The methods: a folder a family, one file each, found by name."""

from workbench.methods.base import METHODS, Config, Method, Step
from workbench.methods.presets import Preset, configure, preset_names

names = METHODS.names
get = METHODS.get
presets = preset_names

__all__ = ["METHODS", "Config", "Method", "Preset", "Step", "configure", "get", "names", "presets"]
