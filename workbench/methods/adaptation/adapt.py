"""Adapt a pretrained encoder to a task with few labels, by a plan; supervised."""

from collections.abc import Iterator, Mapping
from time import process_time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from workbench.adaptation.base import PLANS, begun, trained
from workbench.adaptation.few import HELD_OUT, few_labels, fit_logistic
from workbench.adaptation.partial import ANGLE, angles
from workbench.adaptation.receipts import costs, flops
from workbench.datasets.arrays import Rows
from workbench.encoders.graph import GraphTensors
from workbench.encoders.transformers import TRANSFORMERS, Transformer
from workbench.encoders.vit import AT_ONCE, ViT
from workbench.errors import UserError
from workbench.methods.adaptation.config import AdaptConfig
from workbench.methods.base import METHODS, PROCESS, Method, Step
from workbench.randomness import Randomness
from workbench.views.rows import placed


@METHODS.register("adapt")
class Adapt(Method):
    """The encoder of a base, a linear classifier behind it, and a plan of what else is trained; see `kept`."""

    Config = AdaptConfig
    Adam = torch.optim.AdamW
    kinds = ("arrays", "nodes")

    encoder: Any  # a Transformer
    cpu_seconds: Tensor

    def __init__(self, config: AdaptConfig, inputs: Any, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        if isinstance(inputs, Rows) != isinstance(self.encoder, ViT):
            reads = "images [rows, height, width]" if isinstance(self.encoder, ViT) else "one graph"
            raise UserError(f"the encoder of an adaptation reads {reads}, and these data are none")
        self.known = (inputs.targets >= 0).nonzero().flatten()
        self.start = begun(self.encoder, inputs.get("base") or {}, config.input == "new")
        self.input_layer = trained(self.encoder)
        self.head: Any = nn.Linear(config.dim, int(inputs.targets.max()) + 1)
        self.views, self.drawing = randomness.generator("views"), randomness.generator("batches")
        self.plan, self.step_number = config.plan.call(PLANS), 0
        self.plan.inputs = inputs
        self.plan.prepare(self.encoder, randomness.generator("plan"))
        self.trained = trained(self.encoder) - self.input_layer + self.plan.learned
        self.register_buffer("cpu_seconds", torch.zeros((), dtype=torch.float64))  # which a checkpoint keeps

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> Transformer:
        """Return an untrained encoder as it is before the plan."""
        made: Transformer = config.encoder.call(TRANSFORMERS, shape, config.dim)
        return made

    @classmethod
    def supervised(cls, config: Any) -> bool:
        """Return True: it learns from classes."""
        return True

    @classmethod
    def told(cls, config: Any, targets: Tensor) -> Tensor:
        """Return the few targets that are drawn, see `few_labels`."""
        return few_labels(targets, config.labels, config.draw, config.holdout)

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Note the number of the step, and when it began."""
        self.step_number, self.began = epoch + 1, process_time()

    def batches(self) -> Iterator[Tensor]:
        """Yield the numbers of some labelled rows, or of all labelled nodes."""
        order = torch.randperm(len(self.known), generator=self.drawing).to(self.known.device)
        yield self.known[order[: self.config.batch_size if isinstance(self.inputs, Rows) else None]]

    def codes(self, items: Tensor, moving: bool = False) -> Tensor:
        """Return the codes of items by their numbers [items, dim]; `moving` shows images at other places."""
        if not isinstance(self.inputs, Rows):
            nodes: Tensor = self.encoder(GraphTensors.of(self.inputs).whole)
            return nodes[items]
        rows: Tensor = self.encoder(placed(self.inputs.x[items], self.views) if moving else self.inputs.x[items])
        return rows

    def step(self, batch: Tensor) -> Step:
        """Tell the classes of labelled items."""
        answers = self.head(self.codes(batch, self.config.placed))
        terms, more = {"classes": cross_entropy(answers, self.inputs.targets[batch])}, self.plan.loss()
        over = self.plan.logistic or self.plan.classifier is not None  # nothing of the encoder is left to learn
        return Step(terms if more is None else terms | {"plan": more}, finished=over and not self.input_layer)

    def after_update(self) -> None:
        """Let the plan do what follows an update."""
        self.plan.after_update(self.encoder, self.step_number, self.config.epochs)
        self.cpu_seconds += process_time() - self.began

    @torch.no_grad()
    def finish(self) -> None:
        """Let the plan bring the encoder into its last form, and fit the classifier where it is logistic."""
        self.plan.finish(self.encoder)
        self.head = self.plan.classifier or self.head
        if self.plan.logistic:
            fit_logistic(self.head, self.codes(self.known), self.inputs.targets[self.known])

    def kept(self) -> dict[str, Tensor]:
        """Return the classifier, what the plan has new, a new input layer, and the start where it was untrained."""
        state, new = self.encoder.state_dict(), self.config.input == "new"
        layer = {name: value for name, value in state.items() if new and self.encoder.is_input(name)}
        parts = {"head": self.head.state_dict(), "encoder": layer, "start": {} if self.config.base else self.start}
        parts["plan"] = self.plan.new(self.encoder, self.start | layer)
        return {f"{part}.{name}": value for part, named in parts.items() for name, value in named.items()}

    @classmethod
    def restore(cls, encoder: Any, config: Any, weights: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> None:
        """Give an encoder the weights of its base, then what is new."""
        parts = dict[str, dict[str, Tensor]](start=dict(base), encoder={}, plan={}, head={})
        for (part, _, name), value in zip((name.partition(".") for name in weights), weights.values(), strict=True):
            parts.setdefault(part, {})[name] = value
        encoder.load_state_dict(parts["start"] | parts["encoder"])
        config.plan.call(PLANS).restore(encoder, parts["plan"])

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding, and note the classes: a gated classifier needs what its gate has just seen."""
        parts = [Rows(x=part) for part in inputs.x.split(AT_ONCE)] if isinstance(inputs, Rows) else [inputs]
        found = [(codes, self.head(codes).argmax(1)) for part in parts for codes in [self.encoder.embed(part)]]
        self.classes = torch.cat([classes for _, classes in found])
        return torch.cat([codes for codes, _ in found])

    @torch.no_grad()
    def details(self) -> dict[str, Tensor]:
        """Return which class of each item is "predicted", which items are "held_out", angles, receipt, plan's own."""
        one = Rows(x=self.inputs.x[:1]) if isinstance(self.inputs, Rows) else self.inputs
        plan = {name: value for name, value in self.kept().items() if name.startswith("plan.")}
        numbers, flop = (self.trained, trained(self.head), self.input_layer), flops(self.encoder, one, len(one.x))
        found = costs(numbers, plan, flop, self.plan.plain, self.cpu_seconds)
        turned = angles(self.start, self.encoder.state_dict())
        found |= {f"{ANGLE}{layer}": torch.tensor(angle, dtype=torch.float64) for layer, angle in turned.items()}
        found |= {"held_out": self.inputs.targets == HELD_OUT, "predicted": self.classes}
        return found | self.plan.details(self.encoder, self.inputs)

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the peak: of a batch through all blocks and back, or of what is embedded at once."""
        with torch.device("meta"):
            encoder = cls.make_encoder(config, sizes)
        rows = sizes["rows"]
        if "height" in sizes:
            return PROCESS + 4 * encoder.numbers(min(rows, config.batch_size), min(rows, AT_ONCE))
        return PROCESS + cls.graph_bytes(sizes) + 4 * encoder.numbers(rows, rows)
