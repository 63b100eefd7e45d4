"""
====================================
Forecasts, and how far to trust them
====================================

One network learns from forty series of different length and unit how they go on, and gives
quantiles beside its forecast. Tested on what it has not seen: the last 24 steps of each series.
"""

# %%
# The data
# --------
# Simulated sales, month by month: a level that drifts, a season of twelve months of which each
# series has its own strength, and noise that grows with the level. The numbers are made here, so
# that it is known what can be forecast and what cannot.

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import RNNForecaster
from fastrnn.plotting import ForecastDisplay

HORIZON = 24
rng = np.random.default_rng(0)


def simulate(n_steps):
    t = np.arange(n_steps)
    drift = np.cumsum(rng.normal(0.002, 0.02, n_steps))
    season = rng.uniform(0.1, 0.3) * np.sin(2 * np.pi * t / 12)
    noise = 0.05 * rng.standard_normal(n_steps)
    return rng.uniform(10, 10000) * np.exp(drift + season + noise)


series = [simulate(rng.integers(96, 180)) for _ in range(40)]
past = [s[:-HORIZON] for s in series]
future = np.array([s[-HORIZON:] for s in series])

# %%
# Training
# --------

model = RNNForecaster(seasonality=12, horizon=HORIZON, random_state=0)
model.fit(past)

figure, axes = plt.subplots(2, 1, figsize=(7, 6), layout="constrained")
for ax, n in zip(axes, (0, 7), strict=True):
    ForecastDisplay.from_estimator(
        model, past[n], HORIZON, levels=[0.1, 0.9], truth=future[n], ax=ax, max_history=60
    )
plt.show()

# %%
# Do the quantiles keep their word?
# ---------------------------------
# Eight in ten values should lie between the lowest and the highest quantile, near and far.

quantiles = np.array(model.predict_quantiles(HORIZON, past, [0.1, 0.9]))
inside = (quantiles[..., 0] <= future) & (future <= quantiles[..., 1])

figure, ax = plt.subplots(layout="constrained")
ax.plot(np.arange(1, HORIZON + 1), inside.mean(axis=0), "o-", label="Between the quantiles")
ax.axhline(0.8, color="0.5", linestyle=":", label="Promised")
ax.set(xlabel="Months ahead", ylabel="Share of the true values", ylim=(0, 1.05))
ax.legend()
plt.show()
print(f"over all months {inside.mean():.2f}")
