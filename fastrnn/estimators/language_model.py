"""RNNLanguageModel: the probability of each next token of a text."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Self

import numpy as np

from fastrnn.bridge import available_if
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.fitted import FittedTokens
from fastrnn.estimators.fitting import describe, fit, fit_one_epoch, steps_by_minibatches
from fastrnn.estimators.needs import needed_to_train
from fastrnn.estimators.next_tokens import ONE_TOKEN, NextTokenTask, TextReader
from fastrnn.estimators.predicting import read
from fastrnn.estimators.resuming import open_checkpoints
from fastrnn.estimators.targets import as_sample_weight
from fastrnn.estimators.text_parameters import LanguageModelParameters
from fastrnn.estimators.validation import ValidationData
from fastrnn.standin import as_generator
from fastrnn.streams import Stream
from fastrnn.streams.snapshot import Snapshot, start_of
from fastrnn.training.budget import TEXTS
from fastrnn.typing import (
    Doubles,
    Floats,
    PathLike,
    RandomState,
    SampleWeight,
    SequencesLike,
    WeightType,
)


@dataclass(eq=False, repr=False, kw_only=True)
class RNNLanguageModel(LanguageModelParameters, FittedTokens, RNNBase):  # type: ignore[misc]  # solver
    r"""Learn from text what comes next.

    Each token (a character, a word, or an id) stands for a vector that is learned; recurrent layers
    read these, and a softmax layer gives the probability of every token to be the next. It is
    trained to minimize the log-loss plus an L2 penalty.

    What `fit` is given decides what a text is. *One long text* is a stream without an end: it is
    cut into `batch_size` contiguous streams, which are read side by side, `bptt_steps` tokens at a
    time, and states are carried from one such window to the next. *Separate texts* begin and end:
    minibatches of whole ones are drawn, a token for the end is added to the vocabulary, its
    probability is learned, and a sample stops where it is drawn.

    Attributes
    ----------
    tokens_ : list
        The token of each of the V ids; for models of ids the ids themselves. With separate texts
        the last one is "<eos>", the end.
    token_counts_ : ndarray of shape (V,), int64
        How often training has met each token.
    encoder_ : fastrnn.preprocessing.TokenEncoder or None
        Knows the vocabulary; None for models of ids.

    See Also
    --------
    fastrnn.preprocessing.TokenEncoder : Turns texts into ids.

    Notes
    -----
    With the tokens :math:`w_1, w_2, \ldots` of a text, the loss of a minibatch of n tokens is

    .. math:: -\frac{1}{n} \sum_t \log p(w_t \mid w_1, \ldots, w_{t-1})
        + \frac{\alpha}{2 n} \|W\|^2 .

    The first token of a long text has nothing before it, and is not predicted. Perplexity is the
    exponential of the mean log-loss per token. Validation scores are the mean log-likelihood per
    token, as in `score`: ``exp(-score)`` is the perplexity.

    A token that is not in the vocabulary is read as the unknown one if training has met that,
    because of `min_freq` or `max_features`, or as "<unk>" in the text. Otherwise it is an error.

    With one long text, `shuffle` has no effect, and early stopping holds out the last streams,
    which are the end of the text.

    References
    ----------
    Press, O. & Wolf, L. (2017). Using the output embedding to improve language models. EACL. arXiv
    1608.05859.
    Zaremba, W., Sutskever, I. & Vinyals, O. (2014). Recurrent neural network regularization. arXiv
    1409.2329.

    Examples
    --------
    >>> from fastrnn import RNNLanguageModel
    >>> text = "the cat sat on the mat. " * 100
    >>> model = RNNLanguageModel(32, batch_size=8, learning_rate_init=0.02, max_iter=10,
    ...                          learning_rate="cosine", random_state=0).fit(text)
    >>> model.perplexity("the cat sat on the mat. ") < 1.5
    True
    >>> model.sample("the cat sat", 12, temperature=0)
    ' on the mat.'
    """

    kind = "language_model"
    reader_class = TextReader
    task_class = NextTokenTask
    budget = TEXTS

    def fit(  # type: ignore[override]
        self,
        X: SequencesLike,
        y: object = None,
        sample_weight: SampleWeight = None,
        validation_data: SequencesLike | None = None,
        *,
        X_val: SequencesLike | None = None,
        checkpoint: PathLike | None = None,
        checkpoint_every: int = 1,
        resume: bool = False,
    ) -> Self:
        """Train the network.

        Ctrl-C ends training early and keeps the model trained so far.

        Parameters
        ----------
        X : str, list of str, list of lists of tokens, or ids
            One long text: a string, or an array of ids. Separate texts: a list of strings, of lists
            of tokens, or of arrays of ids. Ids are whole numbers >= 0.
        y : object, default=None
            Not used.
        sample_weight : array-like of shape (n_texts,), default=None
            Weight of each of separate texts in the loss. None gives all the same weight.
        validation_data : str, or what else `X` may be, default=None
            Text to score the model on after each epoch. With ``early_stopping=True`` it takes the
            place of what is held out; otherwise the scores are recorded in `validation_scores_` and
            change nothing.
        X_val : str, or what else `X` may be, default=None
            The same, under the name that a pipeline with ``transform_input=["X_val"]`` transforms.
        checkpoint : str or path-like, default=None
            A file to which training is written after epochs, so that it can go on if this process
            ends.
        checkpoint_every : int, default=1
            Number of epochs from one checkpoint to the next. There is one at the end, too.
        resume : bool, default=False
            Whether to go on from that file, if it is there, as in `RNNClassifier.fit`.

        Returns
        -------
        RNNLanguageModel
            The fitted estimator itself.

        Raises
        ------
        TypeError
            If a parameter, `X`, `sample_weight` or `validation_data` has the wrong type.
        ValueError
            If a parameter, `X`, `sample_weight` or `validation_data` has a value it may not have,
            if a warm start does not fit the model, or if training diverged. A model fitted before
            is then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.

        Warns
        -----
        ConvergenceWarning
            If nothing was learned, or `max_iter` ended training before the loss converged.
        """
        file = open_checkpoints(self, checkpoint, checkpoint_every, resume)
        validation = ValidationData.of(validation_data, X_val)
        fit(self, X, None, sample_weight, validation, file)
        return self

    @available_if(steps_by_minibatches)
    def partial_fit(
        self, X: SequencesLike, y: object = None, sample_weight: SampleWeight = None
    ) -> Self:
        """Train for one epoch on this text, going on from where training was.

        The first call starts a model, and decides its vocabulary: later, new tokens are unknown
        ones. Each later call, also after `fit`, goes on with its weights, with what the solver
        keeps from step to step, and with its random numbers. What shapes the network must stay as
        it was; how it is trained may change.

        Parameters
        ----------
        X : str, list of str, list of lists of tokens, or ids
            The text, or the texts, as in `fit`.
        y : object, default=None
            Not used.
        sample_weight : array-like of shape (n_texts,), default=None
            As in `fit`.

        Returns
        -------
        RNNLanguageModel
            The estimator itself.

        Raises
        ------
        TypeError
            As in `fit`.
        ValueError
            As in `fit`; or if ``early_stopping=True``. The model is then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.
        """
        fit_one_epoch(self, X, None, sample_weight)
        return self

    def estimate_memory(self, X: SequencesLike, y: object = None) -> int:
        """Say how much memory `fit` would take at its peak.

        `fit` itself refuses to begin when that is more than there is. What saves memory: a smaller
        `batch_size` or `bptt_steps`, a smaller vocabulary, and ``dtype="float32"``.

        Parameters
        ----------
        X : str, list of str, list of lists of tokens, or ids
            The text, or the texts, as in `fit`.
        y : object, default=None
            Not used.

        Returns
        -------
        int
            Bytes.
        """
        self.check_parameters()
        reader, texts = TextReader.learn(X, self)
        task, _ = NextTokenTask.learn(None, texts, None, self)
        return texts.nbytes + needed_to_train(self, describe(self, reader, task), task, texts)

    def score(
        self, X: SequencesLike, y: object = None, sample_weight: SampleWeight = None
    ) -> float:
        """Return the mean log-likelihood per token: higher is better.

        Parameters
        ----------
        X : str, list of str, list of lists of tokens, or ids
            The text, or the texts, as in `fit`.
        y : object, default=None
            Not used.
        sample_weight : array-like of shape (n_texts,), default=None
            Weight of each text; None gives all the same weight.

        Returns
        -------
        float
            Natural logarithm. Each text begins with a new state. The ends of texts are tokens if
            the model was fitted on separate texts; otherwise the first token of each text is not
            counted.
        """
        texts = read(self, X)
        target = self.task_.following(texts, as_sample_weight(sample_weight, texts))
        if not target.weight.any():
            raise ValueError(ONE_TOKEN)
        loss = self.network_.mean_loss(texts, target.values, target.weight, n_jobs=self.n_jobs)
        return -float(loss)

    def score_samples(self, X: SequencesLike, *, per_token: bool = False) -> Doubles:
        """Return the log-likelihood of each text: how probable it is as a whole.

        Parameters
        ----------
        X : str, list of str, list of lists of tokens, or ids
            The text, or the texts, as in `fit`.
        per_token : bool, default=False
            Whether it is divided by the number of tokens, so that long texts compare with short
            ones: the texts that surprise the model most are then those with the lowest.

        Returns
        -------
        ndarray of shape (n_texts,), float64
            Natural logarithms, of the tokens that `score` counts.

        Raises
        ------
        ValueError
            If a text has no token that is counted.
        """
        texts: Any = read(self, X)  # which are Texts
        starts, target = texts.offsets[:-1], texts.following
        counted = np.add.reduceat(texts.is_followed, starts, dtype=np.int64)
        if not counted.all():
            raise ValueError(
                f"sequence {counted.argmin()} has one token only: there is nothing to predict"
            )
        steps = self.network_.log_likelihoods(texts, target, n_jobs=self.n_jobs)
        likelihoods = np.add.reduceat(steps * texts.is_followed, starts)
        return likelihoods / counted if per_token else likelihoods

    def perplexity(self, X: SequencesLike, sample_weight: SampleWeight = None) -> float:
        """Return the perplexity, the exponential of the mean log-loss per token: lower is better.

        Parameters
        ----------
        X : str, list of str, list of lists of tokens, or ids
            The text, or the texts, as in `fit`.
        sample_weight : array-like of shape (n_texts,), default=None
            Weight of each text; None gives all the same weight.

        Returns
        -------
        float
            1 for perfect predictions, V for guessing among V tokens.
        """
        return math.exp(-self.score(X, sample_weight=sample_weight))

    def next_proba(self, prompt: SequencesLike = "") -> Floats:
        """Return the probability of each token to be the next.

        Parameters
        ----------
        prompt : str, list of tokens, or ids, default=""
            What comes before. If it is empty and the model was fitted on one long text, these are
            the frequencies of the tokens in training.

        Returns
        -------
        ndarray of shape (V,)
            The probabilities, in the order of `tokens_`.
        """
        self.check_fitted()
        ids = self.reader_.read_prompt(prompt)
        return self._next(ids, self.network_.initial_states(1))

    def sample(
        self,
        prompt: SequencesLike = "",
        length: int = 100,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: RandomState = None,
    ) -> Any:
        """Draw a continuation, token by token.

        Parameters
        ----------
        prompt : str, list of tokens, or ids, default=""
            What comes before. It may be empty.
        length : int, default=100
            Number of tokens to draw. A model of separate texts may end earlier.
        temperature : float, default=1.0
            Logarithms of probabilities are divided by it: below 1 likely tokens become likelier. 0
            always takes the most likely one.
        top_k : int or None, default=None
            Draw among so many of the most likely tokens; None for all.
        random_state : None, int, Generator or RandomState, default=None
            What decides. An int gives the same text each time.

        Returns
        -------
        str, list of str, or ndarray of int
            The continuation, without the prompt and of its kind. Tokens become a string by joining
            them, with spaces between unless they are characters. Tokens that training has not met
            are never drawn.
        """
        self.check_fitted()
        if isinstance(length, bool) or not isinstance(length, Integral) or length < 0:
            raise ValueError(f"length must be a whole number >= 0, got {length!r}")
        if (
            isinstance(temperature, bool)
            or not isinstance(temperature, Real)
            or not 0 <= temperature < math.inf
        ):
            raise ValueError(f"temperature must be a number >= 0, got {temperature!r}")
        if isinstance(top_k, bool) or not (
            top_k is None or (isinstance(top_k, Integral) and top_k >= 1)
        ):
            raise ValueError(f"top_k must be None or a whole number >= 1, got {top_k!r}")
        rng = as_generator(random_state)
        ids, states = self.reader_.read_prompt(prompt), self.network_.initial_states(1)
        p = self._next(ids, states)
        stream = Stream(self._snapshot(self.network_, states))
        drawn = []
        while len(drawn) < length:
            k = _draw(np.where(self.token_counts_ > 0, p, 0.0), temperature, top_k, rng)
            if k == self.reader_.vocabulary.end:
                break
            drawn.append(k)
            if len(drawn) < length:
                p = stream.step(k)
        if self.encoder_ is None:
            return np.array(drawn, dtype=np.int64)
        tokens = [self.tokens_[k] for k in drawn]
        if not isinstance(prompt, str):
            return tokens
        return self.encoder_.cut.between.join(tokens)

    def stream(self, n_streams: int = 1, *, weights: WeightType = None) -> Stream:
        """Make a stream: for texts that come token by token, with what comes next after each.

        It has the weights of the model as they are now, whatever is fitted later.

        Parameters
        ----------
        n_streams : int, default=1
            How many texts are read side by side.
        weights : {"int8", "bfloat16"}, default=None
            What they are rounded to, for large layers; None leaves them as they are.

        Returns
        -------
        fastrnn.streams.Stream
            Its `step` takes the next token of each text, or its id, and returns what `next_proba`
            gives for what was read so far.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If `n_streams` is no whole number.
        ValueError
            If `n_streams` is below 1, or `weights` are not for the model.
        """
        self.check_fitted()
        network = copy.deepcopy(self.network_)
        states = network.initial_states(1)
        if not self.reader_.is_long:
            self._next(self.reader_.read_prompt(""), states)
        return Stream(self._snapshot(network, states, weights), n_streams)

    def _snapshot(self, network: Any, states: Any, weights: WeightType = None) -> Snapshot:
        """Prepare a network for streams that begin in these states."""
        start = start_of(states)
        return Snapshot(network, self.reader_.steps(), start=start, weights=weights)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = tags.input_tags.three_d_array = False
        tags.input_tags.string = True
        return tags

    def _next(self, ids: Any, states: Any) -> Floats:
        """Read ids, at states that are carried on; return the probabilities of what is next."""
        shares: Floats
        if not len(ids):
            shares = self.token_counts_ / self.token_counts_.sum()
            return shares
        sequence = self.reader_.vocabulary.sequence(ids, self.network_.dtype)
        shares = self.network_.read_on(sequence, states, n_jobs=self.n_jobs)[0]
        return shares


def _draw(p: Floats, temperature: float, top_k: int | None, rng: np.random.Generator) -> int:
    """Draw an index with probabilities p, changed by temperature and top_k."""
    with np.errstate(divide="ignore"):
        logits = np.log(p, dtype=np.float64)
    logits -= logits.max()
    if temperature == 0:
        return int(logits.argmax())
    if top_k is not None and top_k < len(logits):
        logits[np.argsort(-logits, kind="stable")[top_k:]] = -np.inf
    with np.errstate(over="ignore"):
        odds = np.exp(logits / temperature)
    total = np.cumsum(odds)
    return int(np.searchsorted(total, rng.random() * total[-1], side="right"))
