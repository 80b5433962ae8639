"""How much memory and time a fit will take, told before it starts."""

from workbench.training.forecasting.prediction import Forecast, available_mib, forecast, refuse_if_too_large

__all__ = ["Forecast", "available_mib", "forecast", "refuse_if_too_large"]
