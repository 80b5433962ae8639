"""How much memory a fit takes, by a formula before it starts, and the refusal of one that would not fit."""

from typing import Any, NamedTuple

from workbench.datasets.attributes import AttributesOnDisk
from workbench.datasets.door import admitted
from workbench.datasets.kinds import KINDS, Kind, kind_of
from workbench.errors import UserError
from workbench.methods import METHODS, Config, configure, names
from workbench.training.machine import available_mib

BATCH = 1024  # what a sentence names for an example


class Forecast(NamedTuple):
    """The peak that a fit is expected to have on a CPU, as in `Run.peak_mib`, beside what this process can have."""

    method: str
    graph: str
    preset: str
    peak_mib: float
    available_mib: float

    def __str__(self) -> str:
        there = f"needs about {self.peak_mib:,.0f} MiB and {self.available_mib:,.0f} MiB are available"
        return f"training {self.method} on {self.graph}, preset {self.preset}, {there}"


def forecast(method: str, data: Any, preset: str | None = None, **overrides: Any) -> Forecast:
    """Predict the peak memory of a fit on a CPU by the method's formula, `Method.memory`; arguments as for `fit`."""
    refuse_kind(method, kind_of(data))
    kind, data = admitted(data)
    name = str(getattr(data, "name", None) or "graph")
    preset, config = configure(method, preset, name, overrides)
    return Forecast(method, name, preset, expected_mib(method, config, kind, data), available_mib())


def expected_mib(method: str, config: Config, kind: Kind, data: Any) -> float:
    """Return the peak that a method's formula gives for data."""
    items = kind.sizes(data)
    sizes = {**items, **kind.shape(data), **kind.entries(data)}
    sizes["rows"] = sizes.get("nodes", sum(items.values()))
    standardised = getattr(config, "attributes", "") == "columns"
    dense = sizes["rows"] * sizes.get("features", 0) if standardised else 0
    if dense:
        sizes["nonzeros"] = dense
    return (METHODS.get(method).peak(config, sizes) + 4 * dense) / 2**20


def refuse_kind(method: str, kind: Kind) -> None:
    """Raise a UserError where a method doesn't learn on a kind of data; it names those that do."""
    if kind.name not in METHODS.get(method).kinds:
        others = names(kind.name)
        rather = f"methods for it: {', '.join(others)}" if others else "no method here learns on it yet"
        wanted = " or ".join(KINDS.get(name).words for name in METHODS.get(method).kinds)
        raise UserError(f"method {method!r} learns on {wanted}; this is {kind.words}; {rather}", kind="kind of data")


def refuse_if_too_large(method: str, config: Config, kind: Kind, data: Any) -> None:
    """Raise a UserError with both numbers, and what needs less, where a fit would take more memory than there is."""
    needed, free = expected_mib(method, config, kind, data), available_mib()
    if needed > free:
        parameters = config.flat()
        less = f"a smaller {'batch_size or dim' if parameters.get('batch_size') else 'dim'} or smaller data need less"
        if kind.name == "nodes" and parameters.get("batch_size") == 0:
            batched = type(config).from_flat(parameters | {"batch_size": BATCH})
            less = f"batch_size={BATCH} needs about {expected_mib(method, batched, kind, data):,.0f} MiB, and {less}"
        if parameters.get("negatives") == "all":
            fewer = type(config).from_flat(parameters | {"negatives": "uniform"})
            less = f"negatives='uniform' needs about {expected_mib(method, fewer, kind, data):,.0f} MiB, and {less}"
        raise UserError(f"training {method} needs about {needed:,.0f} MiB and {free:,.0f} MiB are available; {less}")


def refuse_whole(method: str, config: Config, data: Any) -> None:
    """Raise a UserError where a fit would take all attributes at once of a graph whose attributes stay on disk."""
    x = getattr(data, "x", None)
    if not isinstance(x, AttributesOnDisk):
        return
    on_disk = f"the attributes of this graph stay on disk, and {method}"
    if "batch_size" not in config.flat():
        raise UserError(f"{on_disk} takes no batch_size; give it a Data with x in memory, or another method")
    if not config.batch_size:  # type: ignore[attr-defined]
        raise UserError(f"{on_disk} would take them all at once; batch_size={BATCH} reads them by batches")
    encoder = METHODS.get(method).make_encoder(config, {"features": x.size(1)})
    if encoder is None or not encoder.streams:
        raise UserError(f"{on_disk} embeds by an encoder that takes them all at once; encoder='gcn' goes by blocks")
