"""One master seed, split by purpose, so that drawing more of one thing never moves another."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from workbench.errors import UserError, whole_number


class Randomness:
    """Independent random streams for a run, "init", "views", "negatives" ..., from a master seed, 0 or above."""

    def __init__(self, seed: int):
        number = whole_number(seed)
        if number is None:
            raise UserError(f"seed is {seed!r}; it must be a whole number, 0 or above", parameter="seed")
        self.seed = number
        self._generators: dict[str, torch.Generator] = {}

    def integer(self, purpose: str) -> int:
        """Return a fixed 32-bit seed for `purpose`, for libraries that want a number."""
        words = np.random.SeedSequence([self.seed, zlib.crc32(purpose.encode())]).generate_state(1)
        return int(words[0])

    def generator(self, purpose: str) -> torch.Generator:
        """Return the stream of `purpose`, which goes on where the last draw left it.

        It lives on the CPU, so that the same seed draws the same views on every device.
        """
        if purpose not in self._generators:
            self._generators[purpose] = torch.Generator().manual_seed(self.integer(purpose))
        return self._generators[purpose]

    @contextmanager
    def globally(self, purpose: str) -> Iterator[None]:
        """Have torch's global generators draw from the start of the stream of `purpose`, and put them back."""
        with torch.random.fork_rng():
            # of a GPU that was not used yet torch would take down who seeds it, which takes milliseconds in a notebook
            seed = torch.manual_seed if torch.cuda.is_initialized() else torch.default_generator.manual_seed
            seed(self.integer(purpose))
            yield

    def state(self) -> dict[str, Tensor]:
        """Return where each stream stands."""
        return {purpose: generator.get_state() for purpose, generator in self._generators.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put each stream back to a state that `state` returned, one that was not yet drawn from to its start."""
        for purpose in self._generators.keys() - state.keys():
            self._generators[purpose].manual_seed(self.integer(purpose))
        for purpose, value in state.items():
            self.generator(purpose).set_state(value)
