"""Pure functions from data to plotly figures, all in one look."""

from workbench.arguments import guard
from workbench.plots.adaptation import (
    adaptation_chart,
    compression_curves,
    expert_load,
    layer_angles,
    merging_gate,
)
from workbench.plots.agreement import agreement_chart, agreement_maps, confusion_change, side_by_side
from workbench.plots.atlas import graph_atlas, graph_drawing
from workbench.plots.clusters import assignment_sharpness, cluster_confusion, score_curves
from workbench.plots.contrast import pulled_and_pushed
from workbench.plots.cost import cost_chart, gains_chart
from workbench.plots.forces import force_histogram, force_map, gauge_curves
from workbench.plots.losses import loss_curves
from workbench.plots.maps import embedding_epochs, embedding_map
from workbench.plots.negatives import audit_chart, negative_cosines, negative_map
from workbench.plots.network import star_table, stars, views
from workbench.plots.pairs import kept_shares, pair_weights
from workbench.plots.paper import save
from workbench.plots.recommendation import ranking_strata, recommendation_parts, user_negatives
from workbench.plots.rings import negative_rings
from workbench.plots.rules import rule_map, rule_overlap, rule_scores, rule_strata, rule_values, truth_tree
from workbench.plots.scores import budget_chart, claims_chart, difference_chart, protocol_lens, results_chart
from workbench.plots.style import CONFIG, dark
from workbench.plots.typed import kept_edges, weighted_negatives

__all__ = [
    "CONFIG",
    "adaptation_chart",
    "agreement_chart",
    "agreement_maps",
    "assignment_sharpness",
    "audit_chart",
    "budget_chart",
    "claims_chart",
    "cluster_confusion",
    "compression_curves",
    "confusion_change",
    "cost_chart",
    "dark",
    "difference_chart",
    "embedding_epochs",
    "embedding_map",
    "expert_load",
    "force_histogram",
    "force_map",
    "gains_chart",
    "gauge_curves",
    "graph_atlas",
    "graph_drawing",
    "kept_edges",
    "kept_shares",
    "layer_angles",
    "loss_curves",
    "merging_gate",
    "negative_cosines",
    "negative_map",
    "negative_rings",
    "pair_weights",
    "protocol_lens",
    "pulled_and_pushed",
    "ranking_strata",
    "recommendation_parts",
    "results_chart",
    "rule_map",
    "rule_overlap",
    "rule_scores",
    "rule_strata",
    "rule_values",
    "save",
    "score_curves",
    "side_by_side",
    "star_table",
    "stars",
    "truth_tree",
    "user_negatives",
    "views",
    "weighted_negatives",
]
guard(globals(), __all__)
