"""
==============================
What the units of a network do
==============================

`hidden_states` returns the states of a fitted network at every step. Here they are drawn as a map
of units over time, and as paths through the plane in which they differ most.
"""

# %%
# A map of the units
# ------------------
# One utterance, read in both directions: units that read forward below the line, those that read
# backward above it.

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import RNNClassifier
from fastrnn.datasets import load_japanese_vowels, make_first_token_recall
from fastrnn.plotting import StateDisplay

X_train, y_train, X_test, y_test = load_japanese_vowels()
clf = RNNClassifier(
    16,
    cell="gru",
    bidirectional=True,
    learning_rate="cosine",
    learning_rate_init=0.01,
    batch_size=16,
    max_iter=20,
    random_state=0,
)
clf.fit(X_train, y_train)
display = StateDisplay.from_estimator(clf, X_test[0])
display.ax_.set_title(f"The utterance of speaker {y_test[0]}")
plt.show()

# %%
# Paths
# -----
# The states of three speakers' utterances, in the plane of the two directions in which they vary
# most (principal components). All start near zero, and part as the network hears more.

forward = RNNClassifier(
    16,
    cell="gru",
    learning_rate="cosine",
    learning_rate_init=0.01,
    batch_size=16,
    max_iter=20,
    random_state=0,
)
forward.fit(X_train, y_train)
speakers = [1, 3, 9]
chosen = [n for speaker in speakers for n in np.flatnonzero(y_test == speaker)[:12]]
paths = forward.hidden_states([X_test[n] for n in chosen])
states = np.concatenate(paths)
plane = np.linalg.svd(states - states.mean(axis=0), full_matrices=False)[2][:2]

figure, ax = plt.subplots(layout="constrained")
for n, path in zip(chosen, paths, strict=True):
    x, y = plane @ path.T
    color = f"C{speakers.index(y_test[n])}"
    ax.plot(x, y, color=color, alpha=0.4)
    ax.plot(x[-1], y[-1], "o", color=color)
for speaker in speakers:
    ax.plot([], [], "o-", color=f"C{speakers.index(speaker)}", label=f"Speaker {speaker}")
ax.set(xlabel="First component of the states", ylabel="Second component")
ax.legend()
plt.show()

# %%
# A memory
# --------
# A network that has learned to recall the first of 40 tokens: the units that the token has set
# stay set, and with the carry gate open they go on growing in the same direction; the others stay
# at zero.

X, y = make_first_token_recall(2000, 40, 4, random_state=0)
recall = RNNClassifier(
    24,
    cell="carry_lstm",
    dropout=0.0,
    pooling="last",
    conv=None,
    learning_rate_init=0.02,
    batch_size=50,
    max_iter=6,
    random_state=0,
)
recall.fit(X[:1500], y[:1500])
display = StateDisplay.from_estimator(recall, X[1500])
display.ax_.set_title(f"Recall of the first token, accuracy {recall.score(X[1500:], y[1500:]):.2f}")
plt.show()
