r"""
===================================================
Why the carry gate learns to recall the first token
===================================================

The cell ``"carry_lstm"`` adds to the output of an LSTM its own last output, times a gate:
:math:`h_t = o_t \tanh(c_t) + \beta_t h_{t-1}`. Where the gate is open the state passes by
unchanged, and so does the gradient on its way back. How far it is open at the start decides
whether the cell learns.
"""

# %%
# The task
# --------
# To name, at the end, the first of 40 random tokens. There are 8 of them, so one in eight is
# right by chance. Nothing in between says anything about the first.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import RNNClassifier
from fastrnn.datasets import make_first_token_recall
from fastrnn.plotting import GradientFlowDisplay

X, y = make_first_token_recall(2600, 40, 8, random_state=0)
X_train, y_train, X_test, y_test = X[:2000], y[:2000], X[2000:], y[2000:]

# The cells alone: convolutions and the maximum over time would shorten the way back.
common = {
    "pooling": "last",
    "stride": 1,
    "conv": None,
    "scaling": None,
    "dropout": 0.0,
    "learning_rate_init": 0.01,
    "batch_size": 50,
    "max_iter": 8,
    "random_state": 0,
}
models = {
    "carry LSTM, carry bias 2": RNNClassifier(32, cell="carry_lstm", **common),
    "carry LSTM, carry bias 0": RNNClassifier(32, cell="carry_lstm", carry_bias_init=0.0, **common),
    "LSTM": RNNClassifier(32, cell="lstm", **common),
}

# %%
# What is left of the first token
# -------------------------------
# Each model has made one step of training, so that nothing is learned yet. Each sequence goes
# through it twice, the second time with another first token. The distance of the two states,
# relative to that of two different sequences, is what the state still knows of the first token.
#
# The carry gate is a logistic function: a bias of 2 opens it to 0.88, and the first token stays a
# good part of the state for good. A bias of 0 opens it to 0.5, and less and less is left; in an
# LSTM still less in the end.

for model in models.values():
    model.partial_fit(X_train[:50], y_train[:50], range(8))

X_other = X_test.copy()
X_other[:, 0] = np.roll(X_test[:, 0], 1, axis=1)

figure, ax = plt.subplots(layout="constrained")
for name, model in models.items():
    states, with_other = (np.array(model.hidden_states(X)) for X in (X_test, X_other))
    by_first_token = np.linalg.norm(states - with_other, axis=2).mean(axis=0)
    by_sequence = np.linalg.norm(states - np.roll(states, 1, axis=0), axis=2).mean(axis=0)
    ax.semilogy(by_first_token / by_sequence, label=name)
ax.set(xlabel="Time step", ylabel="Difference due to the first token")
ax.legend()
plt.show()

# %%
# What comes back
# ---------------
# The same way backward: how strongly the loss depends on the state after each step.

curves = [model.gradient_flow(X_test, y_test).from_start[0] for model in models.values()]
GradientFlowDisplay(curves, models).plot()
plt.show()

# %%
# Learning
# --------
# The model in which both ways are open learns first, and completely; the LSTM needs longer. That
# the carry LSTM with bias 0 learns nothing in this time, although no less comes through than in the
# LSTM, shows that an open way is needed, but not enough. Its training ends with a warning that says
# so.

warnings.filterwarnings("ignore", message="Training has learned nothing")
figure, ax = plt.subplots(layout="constrained")
for name, model in models.items():
    model.fit(X_train, y_train, validation_data=(X_test, y_test))
    ax.plot(range(1, 9), model.validation_scores_, "o-", label=name)
ax.axhline(1 / 8, color="0.5", linestyle=":", label="Chance")
ax.set(xlabel="Epoch", ylabel="Accuracy on sequences never seen", ylim=(0, 1.05))
ax.legend()
plt.show()

# %%
# There is a price. The state of an LSTM is an output gate times a tanh, always below 1. That of
# the carry LSTM is bounded only while the carry gate is below 1, and may grow with the sequence.

for name, model in models.items():
    states = np.array(model.hidden_states(X_test))
    print(f"{name}: largest state after training {abs(states).max():.1f}")
