"""The loss kernel: how near its time comes to that of its multiplications, and what memory buys."""

from itertools import combinations_with_replacement

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks import BENCHMARKS
from benchmarks.measure import Rows, floor, row
from workbench.contrast import Contrast
from workbench.contrast.kernels import TILE
from workbench.objectives.infonce import infonce
from workbench.training.machine import peak_memory

SIZES = {"Cora": (2708, 128), "Photo": (7650, 256)}


def _views(rows: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(rows, width, generator=generator, requires_grad=True) for _ in range(2))
    return u, v


@BENCHMARKS.register("loss-kernel")
def loss_kernel() -> Rows:
    """GRACE's loss and gradient with all tiles kept: the products of its tiles alone against all of it.

    The ratio is the share of the time that is products; the floor is what as many multiplications take as one large
    product. What is lacking is the exponentials of the tiles and their sums, a pass over memory each; the products
    themselves run at nearly nine tenths of a large one's rate.
    """
    rows = []
    for name, (nodes, width) in SIZES.items():
        u, v = _views(nodes, width)
        z = normalize(torch.cat([u, v]).detach(), dim=1)
        result = torch.empty_like(z)

        def products(z: Tensor = z, result: Tensor = result) -> None:
            parts = [slice(start, start + TILE) for start in range(0, len(z), TILE)]
            for b, c in combinations_with_replacement(parts, 2):
                tile = z[b] @ z[c].T
                result[b].addmm_(tile, z[c])
                if b != c:
                    result[c].addmm_(tile.T, z[b])

        whole = lambda u=u, v=v: infonce(Contrast(0.4), u, v, budget_mib=4096).mean().backward()  # noqa: E731
        least = floor(1.5 * (2 * nodes) ** 2 * width)
        rows.append(row(f"{name}, {2 * nodes:,} x {width}", products, whole, 5, floor=least, must="75 % of the floor"))
        rows[-1] |= {"share": rows[-1]["share_of_floor"], "met": rows[-1]["share_of_floor"] >= 0.75}
    return rows


@BENCHMARKS.register("memory-budget")
def memory_budget() -> Rows:
    """GRACE's loss and gradient on Photo by how much memory its tiles may keep; 512 MiB is the default."""
    u, v = _views(*SIZES["Photo"])
    rows = []
    for budget in (16, 64, 128, 256, 512, 1024):
        step = lambda budget=budget: infonce(Contrast(0.4), u, v, budget_mib=budget).mean().backward()  # noqa: E731
        timed = row(f"{budget:,} MiB", None, step, 2)
        with peak_memory(u.device) as peak:
            step()
        rows.append({**timed, "budget_mib": budget, "peak_mib": peak()})
    for of in rows:
        of["times_the_fastest"] = of["after_seconds"] / min(other["after_seconds"] for other in rows)
    return rows
