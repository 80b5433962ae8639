"""Attributes of nodes in each form that a graph may have them in: dense, CSR, or in a file that is read by rows."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Data, FeatureStore
from torch_geometric.data.feature_store import TensorAttr

from workbench.errors import UserError

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")

# Below this share of non-zeros a sparse product is the faster one, forward and backward, and so are cosines of nodes.
SPARSE_BELOW = 0.04
LARGE = 1 << 29  # bytes of a dense matrix above which few non-zeros are kept sparse when a graph is loaded
BLOCK = 1 << 21  # numbers that are looked at in one go: 8 MiB


class AttributesOnDisk(FeatureStore):
    """The matrix in a .npy file, float32 [nodes, features], of which only the rows asked for are ever read.

    Args:
        file: whole or floating-point numbers [nodes, features].
        least: what is subtracted before each row is divided by its sum, see `load_graph`; None leaves rows as they are.
    """

    requires_grad, dtype, device = False, torch.float32, torch.device("cpu")

    def __init__(self, file: Path, least: Tensor | None = None):
        super().__init__()
        try:
            self._stored = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{file} can't be read as a .npy file of attributes: {str(error)[:120]}") from error
        if self._stored.ndim != 2 or self._stored.dtype.kind not in "biuf":
            found = f"{self._stored.dtype} {list(self._stored.shape)}"
            raise UserError(f"{file} must hold numbers [nodes, features], not {found}")
        self.file, self._least = file, least
        self.shape = torch.Size(self._stored.shape)

    def rows(self, nodes: Tensor | slice) -> Tensor:
        """Return the attributes of some nodes [some, features]."""
        if isinstance(nodes, slice):  # a view of the file, not yet a copy
            x = torch.from_numpy(np.asarray(self._stored[nodes]).astype(np.float32))
        else:
            x = torch.from_numpy(np.asarray(self._stored[nodes.cpu().numpy()]).astype(np.float32, copy=False))
        return x if self._least is None else unit_sums(x, self._least)

    def normalised(self) -> "AttributesOnDisk":
        """Return the same attributes, each row divided by its sum once it is read."""
        return AttributesOnDisk(self.file, torch.stack([block.min() for _, block in blocks(self)]).min())

    def size(self, dim: int) -> int:
        """Return the number of nodes (0) or of features (1)."""
        return int(self.shape[dim])

    def numel(self) -> int:
        """Return how many entries there are."""
        return math.prod(self.shape)

    def float(self) -> "AttributesOnDisk":
        """Return the attributes themselves, which are read as float32."""
        return self

    def __len__(self) -> int:
        return int(self.shape[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.shape)}, {str(self.file)!r})"

    def get_all_tensor_attrs(self) -> list[TensorAttr]:
        """Return the one thing that is stored: x."""
        return [TensorAttr(group_name=None, attr_name="x")]

    def _get_tensor(self, attr: TensorAttr) -> Tensor | None:
        return self.rows(slice(None) if attr.index is None else attr.index) if attr.attr_name == "x" else None

    def _get_tensor_size(self, attr: TensorAttr) -> tuple[int, ...]:
        return tuple(self.shape)

    def _put_tensor(self, tensor: Any, attr: TensorAttr) -> bool:
        return False

    def _remove_tensor(self, attr: TensorAttr) -> bool:
        return False


Attributes = Tensor | AttributesOnDisk


def in_memory(x: Any, what: str) -> Any:
    """Return attributes as they are; a UserError where they stay on disk and `what` would take them all at once."""
    if isinstance(x, AttributesOnDisk):
        instead = "where there is room, give load_graph a Data with x in memory"
        raise UserError(f"{what} takes all attributes at once, and those of this graph stay on disk; {instead}")
    return x


def form_of(x: Attributes) -> str:
    """Return in a word or two how attributes are held."""
    return "on disk" if isinstance(x, AttributesOnDisk) else "sparse" if is_sparse(x) else "dense"


def is_sparse(x: Attributes) -> bool:
    """Return whether attributes are a sparse tensor."""
    return isinstance(x, Tensor) and x.layout != torch.strided


def rows_of(x: Attributes, nodes: Tensor) -> Tensor:
    """Return the attributes of some nodes, dense [some, features]."""
    if isinstance(x, AttributesOnDisk):
        return x.rows(nodes)
    nodes = nodes.to(x.device)
    if x.layout == torch.strided:
        return x[nodes]
    return csr_rows(x.to_sparse_csr(), nodes).to_dense()


def csr_rows(x: Tensor, nodes: Tensor) -> Tensor:
    """Return some rows of a CSR matrix, CSR [some, features]."""
    pointer, shape = x.crow_indices(), (len(nodes), x.shape[1])
    places, owner, _ = entries_of(pointer, nodes)
    pointer = torch.cat([pointer.new_zeros(1), torch.bincount(owner, minlength=len(nodes)).cumsum(0)])
    return torch.sparse_csr_tensor(pointer, x.col_indices()[places], x.values()[places], shape, check_invariants=False)


def entries_of(pointer: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return where entries of some CSR rows stand, which of the rows has each, and its rank there [entries] each."""
    start, size = pointer[rows], pointer[rows + 1] - pointer[rows]
    owner = torch.repeat_interleave(size)
    rank = torch.arange(len(owner), device=owner.device) - (size.cumsum(0) - size)[owner]
    return start[owner] + rank, owner, rank


def csr_slice(x: Tensor, rows: slice, columns: int) -> Tensor:
    """Return successive rows of a CSR matrix, whose entries stand in its first columns, CSR [rows, columns]."""
    pointer = x.crow_indices()[rows.start : rows.stop + 1]
    places = slice(int(pointer[0]), int(pointer[-1]))
    part = pointer - pointer[0], x.col_indices()[places], x.values()[places]
    return torch.sparse_csr_tensor(*part, (rows.stop - rows.start, columns), check_invariants=False)


def parts_of(x: Attributes, step: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield a matrix [rows, columns] so many rows at a time: of a sparse one CSR, of one on disk dense."""
    x = x.to_sparse_csr() if is_sparse(x) else x
    for start in range(0, max(len(x), 1), step):
        rows = slice(start, min(start + step, len(x)))
        if isinstance(x, AttributesOnDisk):
            yield rows, x.rows(rows)
        else:
            yield rows, x[rows] if x.layout == torch.strided else csr_slice(x, rows, x.shape[1])


def blocks(x: Attributes) -> Iterator[tuple[slice, Tensor]]:
    """Yield attributes in dense blocks of rows, each with the slice that it is."""
    for rows, part in parts_of(x, max(1, BLOCK // max(x.shape[1], 1))):
        yield rows, part.to_dense()


def nonzeros(x: Attributes) -> int:
    """Return how many entries are not zero."""
    if is_sparse(x):
        return int(entries(x).count_nonzero())
    return sum(int(block.count_nonzero()) for _, block in blocks(x))


def entries(x: Any) -> Tensor:
    """Return the entries of a tensor that are stored: all of a dense one [entries]."""
    return x.to_sparse_coo().coalesce().values() if is_sparse(x) else x


def few(x: Attributes) -> bool:
    """Return whether so few entries are not zero that the sparse form is the faster one."""
    return nonzeros(x) < SPARSE_BELOW * x.numel()


def as_loaded(x: Tensor) -> Tensor:
    """Return a tensor of attributes dense; as CSR where it comes sparse and the dense one would be large and empty."""
    if is_sparse(x) and 4 * x.numel() > LARGE and few(x):
        return x.to_sparse_coo().coalesce().to_sparse_csr()
    return x.to_dense()


def where_it_pays(x: Tensor) -> Tensor:
    """Return a tensor of attributes as CSR where few are not zero, or where it is sparse already."""
    return x.to_sparse_csr() if is_sparse(x) or few(x) else x


def to_scipy(x: Tensor) -> sp.csr_matrix:
    """Return a tensor of attributes as a scipy matrix that stores no zeros [nodes, features]."""
    x = x.detach().cpu()
    if not is_sparse(x):
        return sp.csr_matrix(x.numpy())
    x = x.to_sparse_coo().coalesce()
    matrix = sp.csr_matrix((x.values().numpy(), tuple(x.indices().numpy())), tuple(x.shape))
    matrix.eliminate_zeros()
    return matrix


Scaling = Literal["loaded", "rows", "columns"]


def moments_of(x: Tensor) -> Tensor:
    """Return mean and deviation of each column [2, features]; the deviation of a constant one counts as 1."""
    mean, squares = torch.zeros(2, x.shape[1], dtype=torch.float64, device=x.device)
    for _, block in blocks(x):
        mean += block.double().sum(0) / len(x)
    for _, block in blocks(x):
        squares += (block.double() - mean).square().sum(0) / len(x)
    return torch.stack([mean, torch.where(squares > 0, squares.sqrt(), 1.0)]).float()


def rescale(inputs: Any, how: Scaling, moments: Tensor | None = None) -> Tensor | None:
    """Scale what an encoder sees of a graph's attributes, in place; `unscaled` finds them as they were.

    Args:
        inputs: a graph whose x is in memory [nodes, features].
        how: "rows" divides each by its Euclidean norm, "columns" standardises each over the nodes, which leaves hardly
            any entry 0; "loaded" changes nothing.
        moments: of the nodes that training saw [2, features]; None takes those of these nodes.

    Returns:
        The moments that columns were standardised by, None for other scales.

    Raises:
        UserError: there is no single graph whose attributes could be scaled, or they stay on disk.
    """
    if how == "loaded":
        return None
    if not isinstance(inputs, Data):
        raise UserError(f"attributes={how!r} scales the attributes of one graph; for other data it is 'loaded'")
    x = in_memory(inputs.x, f"attributes={how!r}")
    inputs.loaded = x
    if how == "rows":
        x = x.to_sparse_csr() if is_sparse(x) else x
        squares = torch.cat([block.square().sum(1) for _, block in blocks(x)])
        norms = torch.where(squares > 0, squares.sqrt(), 1.0)
        if is_sparse(x):
            values = x.values() / norms.repeat_interleave(x.crow_indices().diff())
            inputs.x = torch.sparse_csr_tensor(
                x.crow_indices(), x.col_indices(), values, x.shape, check_invariants=False
            )
        else:
            inputs.x = x / norms[:, None]
        return None
    moments = moments_of(x) if moments is None else moments.to(x.device)
    inputs.x = x.to_dense().sub(moments[0]).div_(moments[1])
    return moments


def unscaled(inputs: Data) -> Data:
    """Return a graph with its attributes as they were before `rescale`: what rules and samplers speak of."""
    x = inputs.get("loaded")
    return inputs if x is None else Data(x=x, edge_index=inputs.edge_index, num_nodes=inputs.num_nodes)


def unit_sums(x: Tensor, least: Tensor) -> Tensor:
    """Divide each row by its sum, or by 1 where that is less, once the least entry of all is subtracted; in place."""
    x = x if least == 0 else x.sub_(least)
    return x.div_(x.sum(dim=-1, keepdim=True).clamp_(min=1.0))
