"""What lower floors ask of things that are made on higher ones."""

from typing import Any, Protocol


class Trained(Protocol):
    """A run as far as its embedding and its contrast are looked at."""

    embeddings: Any  # [items, dim]
    contrast: Any  # the one that the last step used, or None
    projections: Any  # what it compared, one matrix per view [rows, dim]
