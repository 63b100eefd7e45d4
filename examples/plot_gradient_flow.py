"""
===========================================
Gradients that vanish, and some that do not
===========================================

The gradient of the loss with respect to the state after each step tells from how far back a
network can learn: first for four cells on a task that needs a long memory, then in a stack of
bidirectional layers on speech.
"""

# %%
# Four cells, sixty steps
# -----------------------
# The first of 60 random tokens is to be named at the end. Each cell has seen 640 sequences once,
# and has learned nothing yet; what counts is whether the gradient reaches the first step. It
# falls by a constant factor at each step back: a straight line on the logarithmic axis.

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import RNNClassifier
from fastrnn.datasets import load_japanese_vowels, make_first_token_recall
from fastrnn.plotting import GradientFlowDisplay

X, y = make_first_token_recall(640, 60, 10, random_state=0)
cells = ["carry_lstm", "lstm", "rnn", "gru"]
# The cells alone: neither the convolution nor the dropout that are there by default.
plain = {"conv": None, "dropout": 0.0, "scaling": None, "stride": 1, "random_state": 0}
plain |= {"learning_rate_init": 0.003, "batch_size": 64}
curves = []
for cell in cells:
    clf = RNNClassifier(64, cell=cell, pooling="last", **plain)
    clf.partial_fit(X, y, classes=np.arange(10))
    curves.append(clf.gradient_flow(X, y).from_start[0])

GradientFlowDisplay(curves, cells).plot()
plt.show()

# %%
# A shorter way
# -------------
# The cell of the lowest line, again: with the mean or the largest of all states in place of the
# last one, the loss sees every step directly, and nothing has to come back through time.

curves = []
poolings = ["last", "mean", "max"]
for pooling in poolings:
    clf = RNNClassifier(64, cell="gru", pooling=pooling, **plain)
    clf.partial_fit(X, y, classes=np.arange(10))
    curves.append(clf.gradient_flow(X, y).from_start[0])

GradientFlowDisplay(curves, [f"GRU, pooling={pooling!r}" for pooling in poolings]).plot()
plt.show()

# %%
# Two layers, two directions
# --------------------------
# In speech the end of an utterance and its start both matter. Each direction of each layer has a
# curve of its own. The recordings differ in length, so steps are counted from the end; only a few
# are as long as 26 steps, so that the curves are rough at the left.

X, y, *_ = load_japanese_vowels()
clf = RNNClassifier(
    (24, 24),
    bidirectional=True,
    pooling="last",
    conv=None,
    dropout=0.0,
    learning_rate_init=0.01,
    max_iter=5,
    random_state=0,
)
clf.fit(X, y)
GradientFlowDisplay.from_estimator(clf, X, y, origin="end")
plt.show()
