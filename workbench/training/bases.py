"""The base of an adaptation: a stored run whose encoder it begins with, held by name and by the hash of its weights.

A base may be an adaptation itself, which then has a base of its own.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from workbench.atomic import Damaged
from workbench.config import Part
from workbench.encoders.transformers import Transformer
from workbench.errors import UserError
from workbench.methods import METHODS
from workbench.training import stored

WEIGHTS, DIGITS = "weights.safetensors", 16


class Base(NamedTuple):
    """A pretrained encoder.

    Attributes:
        name: of the run's folder, "@" and the first digits of the SHA-256 of its weights.
        kind: name of the kind of data. shape: sizes that it was made by.
        form: which transformer it is, with all options. dim: its width.
        weights: its state.
    """

    name: str
    kind: str
    shape: dict[str, int]
    form: Part
    dim: int
    weights: dict[str, Tensor]


def read(path: Path) -> Base:
    """Return the encoder of a stored run.

    Raises:
        UserError: the run is damaged, keeps no transformer, or is an adaptation whose encoder has a form of its own.
    """
    try:
        facts = stored.read(path)
    except Damaged as error:
        raise UserError(f"the base {path.name} is damaged: {error}; train it again") from None
    method = METHODS.get(facts["method"])
    config: Any = method.Config.from_flat(facts["config"])
    with torch.device("meta"):
        encoder = method.make_encoder(config, facts["shape"])
    if not isinstance(encoder, Transformer):
        raise UserError(
            f"the base {path.name} has no encoder made of blocks; `workbench fit classifier` of images and "
            "`workbench fit grace` with encoder='graph-transformer' train one",
            parameter="base",
        )
    shapes = _shapes(encoder)
    try:
        encoder = restored(facts["method"], config, facts["shape"], load_file(path / WEIGHTS), path.parent)
    except (RuntimeError, KeyError):
        raise UserError(
            f"the weights of the base {path.name} are not those that it would have now; train it again"
        ) from None
    if _shapes(encoder) != shapes:
        raise UserError(
            f"the base {path.name} is an adaptation by {config.plan}, whose encoder has a form of its own; name what "
            "it began with, or one whose encoder keeps the pretrained form",
            parameter="base",
        )
    name = f"{path.name}@{facts[stored.FILES][WEIGHTS][1][:DIGITS]}"
    dim = int(encoder.norm.normalized_shape[0])
    return Base(name, facts["kind"], facts["shape"], encoder.made, dim, encoder.state_dict())


def _shapes(encoder: Transformer) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in encoder.state_dict().items()}


def restored(method: str, config: Any, shape: Mapping[str, int], weights: Mapping[str, Tensor], store: Any) -> Any:
    """Return the encoder of a run with its weights, those of an adaptation upon its base; None where it keeps none.

    Args:
        method, config, shape, weights: of the run. store: folder of runs, which has the base.

    Raises:
        UserError: the base is missing or another. RuntimeError, KeyError: the weights are not the method's.
    """
    chosen = METHODS.get(method)
    encoder = chosen.make_encoder(config, shape)
    if encoder is not None:
        base = getattr(config, "base", "")
        chosen.restore(encoder, config, weights, again(base, store).weights if base else {})
    return encoder


def again(name: str, store: str | Path | None) -> Base:
    """Return the base of a stored adaptation by the name that it kept; a UserError where it is missing or another."""
    folder, _, digits = name.partition("@")
    place = stored.root(store)
    if not (place / folder).is_dir():
        raise UserError(
            f"this run holds only what is new beside its base, {folder}, and {place} has no run of that name; "
            "put it there, or train it again",
            kind="base",
        )
    base = read(place / folder)
    if base.name != name:
        raise UserError(
            f"the base {folder} in {place} has other weights ({base.name.partition('@')[2]}) than those that this run "
            f"began with ({digits})",
            kind="base",
        )
    return base


def adopted(config: Any, base: Base, kind: str, shape: dict[str, int]) -> Any:
    """Return the configuration of an adaptation with name and form of its base.

    Args:
        config: as it was asked for. base: what that names. kind, shape: of the data.

    Raises:
        UserError: an encoder that the base isn't, other data than it reads.
    """
    called = base.name.partition("@")[0]
    usual, form = type(config)(), config.encoder
    same = form.name == base.form.name and {*form.options} <= {*base.form.options}
    if form != usual.encoder and not same:
        raise UserError(f"the encoder {form} was asked for, and the base {called} is {base.form}", parameter="encoder")
    if config.dim not in (usual.dim, base.dim):
        raise UserError(f"dim={config.dim} was asked for, and the base {called} has {base.dim}", parameter="dim")
    if base.kind != kind:
        raise UserError(f"the base {called} was trained on {base.kind}; these data are {kind}", parameter="base")
    if config.input == "base" and base.shape != shape:
        were, are = (", ".join(f"{size:,} {name}" for name, size in sizes.items()) for sizes in (base.shape, shape))
        raise UserError(
            f"the input layer of the base {called} takes {were}, and these data have {are}; "
            "input='new' trains another one",
            parameter="input",
        )
    return dataclasses.replace(config, base=base.name, encoder=base.form, dim=base.dim)
