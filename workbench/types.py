"""What lower floors ask of things that are made on higher ones."""

from typing import Any, Protocol


class Trained(Protocol):
    """A run as far as its embedding and its contrast are looked at.

    Attributes:
        embeddings: [items, dim].
        contrast: the contrast that the last step used, or None.
        projections: what it compared, a matrix a view [rows, dim].
    """

    embeddings: Any
    contrast: Any
    projections: Any
