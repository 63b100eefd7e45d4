"""Pictures of training, gradients, states, attention and forecasts, after scikit-learn's displays.

A display holds what it shows. Its `from_estimator` (or `from_predictions`) draws it at once, and
its `plot` draws it again, elsewhere or in another style. Needs matplotlib, which is imported when
something is drawn: ``pip install "fastrnn[plot]"``.
"""

from fastrnn.plotting.attention import AttentionDisplay
from fastrnn.plotting.forecast import ForecastDisplay
from fastrnn.plotting.gradient_flow import GradientFlowDisplay
from fastrnn.plotting.loss_curve import LossCurveDisplay
from fastrnn.plotting.states import StateDisplay

__all__ = [
    "AttentionDisplay",
    "ForecastDisplay",
    "GradientFlowDisplay",
    "LossCurveDisplay",
    "StateDisplay",
]
