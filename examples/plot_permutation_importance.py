"""
================================
Which features matter, and when?
================================

Permutation importance for sequences: one feature of every recording comes from another recording,
and the score is taken again. How far it falls says how much the model relies on that feature.
With ``time_blocks`` this is asked for each part of the recordings by itself.
"""

# %%
# A model of who is speaking
# --------------------------

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import RNNClassifier
from fastrnn.datasets import load_japanese_vowels
from fastrnn.inspection import permutation_importance

X_train, y_train, X_test, y_test = load_japanese_vowels()
clf = RNNClassifier(
    32,
    cell="gru",
    pooling="mean",
    learning_rate="cosine",
    learning_rate_init=0.01,
    batch_size=16,
    max_iter=15,
    random_state=0,
)
clf.fit(X_train, y_train)

# %%
# Which features
# --------------
# The twelve cepstrum coefficients describe the shape of the spectrum, the first its slope, the
# last its finest details. Bars show the mean of five permutations, lines their standard deviation.

result = permutation_importance(clf, X_test, y_test, n_repeats=5, random_state=0)

figure, ax = plt.subplots(layout="constrained")
ax.bar(np.arange(1, 13), result.importances_mean, yerr=result.importances_std, capsize=3)
ax.set(
    xlabel="Cepstrum coefficient",
    ylabel="Loss of accuracy when permuted",
    xticks=np.arange(1, 13),
    title=f"Accuracy with nothing permuted: {clf.score(X_test, y_test):.3f}",
)
plt.show()

# %%
# And when
# --------
# Each recording is cut into four parts of equal length. In one part at a time one feature comes
# from another recording.

result = permutation_importance(clf, X_test, y_test, n_repeats=2, time_blocks=4, random_state=0)

figure, ax = plt.subplots(layout="constrained")
largest = abs(result.importances_mean).max()
image = ax.imshow(
    result.importances_mean, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto"
)
ax.set(
    xlabel="Quarter of the recording",
    ylabel="Cepstrum coefficient",
    xticks=np.arange(4),
    xticklabels=np.arange(1, 5),
    yticks=np.arange(12),
    yticklabels=np.arange(1, 13),
)
figure.colorbar(image, label="Loss of accuracy when permuted")
plt.show()
