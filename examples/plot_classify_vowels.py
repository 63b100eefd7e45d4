"""
============================
Who is speaking? A first fit
============================

Nine men say two vowels. A recurrent network learns to tell them apart from 270 recordings of 7 to
26 steps, and is tested on 370 others. How training went, and who is taken for whom.
"""

# %%
# The data
# --------
# A recording is an array of shape (steps, 12), and no two need have the same number of steps.

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import RNNClassifier
from fastrnn.datasets import load_japanese_vowels
from fastrnn.plotting import LossCurveDisplay

X_train, y_train, X_test, y_test = load_japanese_vowels()

figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True, layout="constrained")
for ax, n in zip(axes, (0, 90, 240), strict=True):
    ax.plot(X_train[n])
    ax.set(title=f"Speaker {y_train[n]}", xlabel="Time step")
axes[0].set_ylabel("12 cepstrum coefficients")
plt.show()

# %%
# Training
# --------
# With ``validation_data`` the model is scored after each epoch. The data for it are every fifth
# recording of the training part, so that the test part is not looked at.

is_validation = np.arange(len(X_train)) % 5 == 0
X_fit = [x for x, out in zip(X_train, is_validation, strict=True) if not out]
X_validation = [x for x, out in zip(X_train, is_validation, strict=True) if out]

clf = RNNClassifier(
    32,
    cell="gru",
    bidirectional=True,
    pooling="mean",
    learning_rate="cosine",
    learning_rate_init=0.01,
    batch_size=16,
    max_iter=20,
    random_state=0,
)
clf.fit(X_fit, y_train[~is_validation], validation_data=(X_validation, y_train[is_validation]))

LossCurveDisplay.from_estimator(clf)
plt.show()

# %%
# Who is taken for whom
# ---------------------

predicted = clf.predict(X_test)
confusion = np.zeros((9, 9), dtype=int)
np.add.at(confusion, (y_test - 1, predicted - 1), 1)

figure, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
ax.imshow(confusion, cmap="Blues")
for (row, column), count in np.ndenumerate(confusion):
    if count:
        color = "white" if count > confusion.max() / 2 else "black"
        ax.text(column, row, count, ha="center", va="center", color=color)
ax.set(
    xlabel="Recognized as speaker",
    ylabel="Speaker",
    xticks=np.arange(9),
    yticks=np.arange(9),
    xticklabels=clf.classes_,
    yticklabels=clf.classes_,
    title=f"Accuracy on the test part: {clf.score(X_test, y_test):.3f}",
)
plt.show()
