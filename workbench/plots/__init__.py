"""Pure functions from data to plotly figures, all in one look."""

from workbench.plots.losses import loss_curves
from workbench.plots.maps import embedding_map
from workbench.plots.results import is_floor, results_chart
from workbench.plots.rules import rule_scores
from workbench.plots.stars import star_table, stars
from workbench.plots.views import views

__all__ = ["embedding_map", "is_floor", "loss_curves", "results_chart", "rule_scores", "star_table", "stars", "views"]
