"""The maps of a run's embeddings, one of each method and epoch, of which a screen shows a first picture at once."""

from torch import Tensor

from workbench.evaluation import projection
from workbench.evaluation.coloured import map_folder
from workbench.evaluation.projection import Map
from workbench.training.run import Run


class Maps:
    """The maps of a run by method and by epoch, None for the trained embedding; each is made once.

    The map after an epoch follows those before; that of the trained embedding stands for itself.

    Attributes:
        epochs: after which an embedding was kept, ascending; empty for a run without snapshots.
    """

    def __init__(self, run: Run, seed: int):
        self.epochs = sorted(run.snapshots)
        self._run, self._seed, self._folder = run, seed, map_folder(run)
        self._made: dict[tuple[str, int | None], Map] = {}

    def rows(self, epoch: int | None) -> Tensor:
        """Return the embedding after an epoch [nodes, dim]."""
        return self._run.embeddings if epoch is None else self._run.snapshots[epoch]

    def at_hand(self, method: str, epoch: int | None) -> Map | None:
        """Return a map that was made or stored, None where it has to be computed first."""
        before = None
        for at in self._way(epoch):
            if (method, at) not in self._made:
                stored = projection.kept(self.rows(at), method, self._seed, self._folder, before)
                if stored is None:
                    return None
                self._made[method, at] = stored
            before = self._made[method, at]
        return before

    def first_picture(self, epoch: int | None) -> Map:
        """Return what can be shown at once, see `projection.first_picture`."""
        return projection.first_picture(self.rows(epoch), self._seed)

    def compute(self, method: str, epoch: int | None) -> Map:
        """Return a map, computed with those on the way to it."""
        before = None
        for at in self._way(epoch):
            if (method, at) not in self._made:
                made = projection.project(self.rows(at), method, self._seed, self._folder, before)
                self._made[method, at] = made
            before = self._made[method, at]
        assert before is not None
        return before

    def _way(self, epoch: int | None) -> list[int | None]:
        """Return the epochs that lead to one."""
        return [None] if epoch is None else [*self.epochs[: self.epochs.index(epoch) + 1]]
