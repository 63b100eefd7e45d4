"""RNNLanguageModel: the probability of each next token of a text."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real

import numpy as np

from fastrnn.bridge import available_if
from fastrnn.estimators.base import RNNBase, as_generator, steps_by_minibatches
from fastrnn.estimators.checkpoints import open_checkpoints
from fastrnn.estimators.precision import narrow_weight
from fastrnn.estimators.targets import Target, as_sample_weight, in_argument, learned
from fastrnn.files import ModelFileError
from fastrnn.inputs.texts import END, Vocabulary, open_texts, read_ids, read_tokens
from fastrnn.memory import estimate_memory
from fastrnn.preprocessing import TokenEncoder
from fastrnn.streams import Reading, Snapshot, Stream, start_of

_ONE_TOKEN = "X has no text of two tokens or more: there is nothing to predict"
_ENCODER = ("tokenizer", "lowercase", "min_freq", "max_features")


@dataclass(eq=False, repr=False, kw_only=True)
class RNNLanguageModel(RNNBase):  # numpydoc ignore=PR02
    r"""Learn from text what comes next.

    Each token (a character, a word, or an id) stands for a vector that is learned; recurrent layers
    read these, and a softmax layer gives the probability of every token to be the next. It is
    trained to minimize the log-loss plus an L2 penalty.

    What `fit` is given decides what a text is. *One long text* is a stream without an end: it is
    cut into `batch_size` contiguous streams, which are read side by side, `bptt_steps` tokens at a
    time, and states are carried from one such window to the next. *Separate texts* begin and end:
    minibatches of whole ones are drawn, a token for the end is added to the vocabulary, its
    probability is learned, and a sample stops where it is drawn.

    Parameters
    ----------
    tokenizer : {"char", "word"} or callable, default="char"
        How a text becomes tokens: every character is one, words and signs, or what the callable
        returns. See `fastrnn.preprocessing.TokenEncoder`, also for the next three.
    lowercase : bool, default=False
        Whether texts are made lower case first.
    min_freq : int, default=1
        How often a token must occur to be in the vocabulary. All others are one token, the unknown
        one.
    max_features : int or None, default=None
        Largest number of tokens in the vocabulary, the most frequent ones.
    tie_weights : bool, default=False
        Whether the output layer has the vectors of the tokens as its weights (Press and Wolf 2017).
        Then `embedding_dim` must be the size of the last hidden layer, as it is by default.
    batch_size : int or "auto", default=32
        Number of streams that one long text is cut into, fewer where they would be shorter than
        `bptt_steps`; of separate texts, how many make a minibatch. "auto" is 200.
    bptt_steps : int or None, default=35
        Number of tokens in a window of one long text, after each of which the weights change. For
        separate texts the number of tokens after which backpropagation through time is cut. None
        reads texts, or streams, as a whole.

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
    With the tokens :math:`w_1, w_2, \dots` of a text, the loss of a minibatch of n tokens is

    .. math:: -\frac{1}{n} \sum_t \log p(w_t \mid w_1, \dots, w_{t-1})
        + \frac{\alpha}{2 n} \|W\|^2 .

    The first token of a long text has nothing before it, and is not predicted. Perplexity is the
    exponential of the mean log-loss per token. Validation scores are the mean log-likelihood per
    token, as in `score`: ``exp(-score)`` is the perplexity.

    A token that is not in the vocabulary is read as the unknown one if training has met that,
    because of `min_freq` or `max_features`, or as "<unk>" in the text. Otherwise it is an error.

    With one long text, `shuffle` has no effect, and early stopping holds out the last streams,
    which are the end of the text.

    `bidirectional` and `categorical_features` stay at their defaults here, and there is no
    ``solver="lbfgs"``.

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

    _kind = "language_model"

    tokenizer: str | Callable = "char"
    lowercase: bool = False
    min_freq: int = 1
    max_features: int | None = None
    tie_weights: bool = False
    batch_size: int | str = 32
    bptt_steps: int | None = 35

    def fit(
        self,
        X,
        y=None,
        sample_weight=None,
        validation_data=None,
        *,
        checkpoint=None,
        checkpoint_every=1,
        resume=False,
    ):
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
            place of a part held out; otherwise the scores are recorded in `validation_scores_` and
            change nothing.
        checkpoint : str or path-like, default=None
            A file to which training is written after epochs, so that it can go on if this process
            ends. Needs the extra ``files``.
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
            If `max_iter` ended training before the loss converged.
        """
        file = open_checkpoints(self, checkpoint, checkpoint_every, resume)
        return self._fit(X, None, sample_weight, validation_data, file)

    @available_if(steps_by_minibatches)
    def partial_fit(self, X, y=None, sample_weight=None):
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
            As in `fit`; if ``early_stopping=True``; or if ``learning_rate="cosine"`` has come to
            its end, after `max_iter` epochs. The model is then as it was.
        MemoryError
            If training needs more memory than there is; nothing has been taken then.
        """
        return self._partial_fit(X, None, sample_weight, None)

    def estimate_memory(self, X, y=None):
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
        self._check_parameters()
        texts = self._read_first(X)
        architecture = self._describe(texts, texts.vocabulary.size, "log_loss")
        return texts.nbytes + self._estimate(texts, architecture)

    def score(self, X, y=None, sample_weight=None):
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
        texts = self._read(X)
        weight = as_sample_weight(sample_weight, texts)
        target = self._encode(None, texts, weight, None)
        if not target.weight.any():
            raise ValueError(_ONE_TOKEN)
        loss = self.network_.mean_loss(texts, target.values, target.weight, n_jobs=self.n_jobs)
        return -float(loss)

    def perplexity(self, X, sample_weight=None):
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

    def next_proba(self, prompt=""):
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
        self._check_fitted()
        ids = self._read_prompt(prompt)
        return self._next(ids, self.network_.initial_states(1))

    def sample(self, prompt="", length=100, *, temperature=1.0, top_k=None, random_state=None):
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
        self._check_fitted()
        if isinstance(length, bool) or not isinstance(length, Integral) or length < 0:
            raise ValueError(f"length must be a whole number >= 0, got {length!r}")
        if not isinstance(temperature, Real) or not 0 <= temperature < math.inf:
            raise ValueError(f"temperature must be a number >= 0, got {temperature!r}")
        if top_k is not None and (not isinstance(top_k, Integral) or top_k < 1):
            raise ValueError(f"top_k must be None or a whole number >= 1, got {top_k!r}")
        rng = as_generator(random_state)
        ids, states = self._read_prompt(prompt), self.network_.initial_states(1)
        p = self._next(ids, states)
        stream = Stream(self._snapshot(self.network_, states))
        drawn = []
        while len(drawn) < length:
            k = _draw(np.where(self.token_counts_ > 0, p, 0.0), temperature, top_k, rng)
            if k == self._vocabulary.end:
                break
            drawn.append(k)
            if len(drawn) < length:
                p = stream.step(k)
        if self.encoder_ is None:
            return np.array(drawn, dtype=np.int64)
        tokens = [self.tokens_[k] for k in drawn]
        if not isinstance(prompt, str):
            return tokens
        return ("" if self.encoder_.tokenizer == "char" else " ").join(tokens)

    def stream(self, n_streams=1):
        """Make a stream: for texts that come token by token, with what comes next after each.

        It has the weights of the model as they are now, whatever is fitted later.

        Parameters
        ----------
        n_streams : int, default=1
            How many texts are read side by side.

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
            If `n_streams` is below 1.
        """
        self._check_fitted()
        network = copy.deepcopy(self.network_)
        states = network.initial_states(1)
        if self._vocabulary.end is not None:
            self._next(self._read_prompt(""), states)
        return Stream(self._snapshot(network, states), n_streams)

    def _snapshot(self, network, states):
        """Prepare a network for streams that begin in these states."""
        vocabulary, encoder = self._vocabulary, self.encoder_
        tokens = {}
        if encoder is not None:
            tokens = {
                "tokens": encoder.vocabulary_,
                "unknown": 0 if self.token_counts_[0] > 0 else None,
                "lowercase": bool(encoder.lowercase),
            }
        n_ids = vocabulary.size - (vocabulary.end is not None)
        reading = Reading.of_columns(self._columns, n_ids=(n_ids,), columns=None, **tokens)
        return Snapshot(network, reading, start=start_of(states))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = tags.input_tags.three_d_array = False
        tags.input_tags.string = True
        return tags

    def _check_parameters(self):
        if self.solver == "lbfgs":
            raise ValueError(
                "solver='lbfgs' is not for language models, which learn by minibatches"
            )
        super()._check_parameters()
        if self.bidirectional:
            raise ValueError(
                "bidirectional=True would show a language model the tokens that it is to predict"
            )
        if self.categorical_features is not None:
            raise ValueError(
                f"categorical_features={self.categorical_features!r} has no effect: a language "
                "model reads tokens alone"
            )

    def _next(self, ids, states):
        """Read ids, at states that are carried on; return the probabilities of what is next."""
        if not len(ids):
            return self.token_counts_ / self.token_counts_.sum()
        sequence = self._vocabulary.sequence(ids, self.network_.dtype)
        return self.network_.read_on(sequence, states, n_jobs=self.n_jobs)[0]

    def _read_prompt(self, prompt):
        """Return what the network reads of a prompt, which may be nothing."""
        vocabulary = self._vocabulary
        start = np.array([] if vocabulary.end is None else [vocabulary.end], dtype=np.int64)
        if hasattr(prompt, "__len__") and len(prompt) == 0:
            return start
        with in_argument("prompt"):
            (ids,) = vocabulary.ids([prompt], vocabulary.encoder is None, self.token_counts_)
        return np.concatenate([start, ids])

    def _read_first(self, X):
        is_long, texts, are_ids = open_texts(X)
        encoder = None
        if are_ids:
            self._check_no_encoder()
            ids = read_ids(texts, None)
            tokens = list(range(max(int(text.max()) for text in ids) + 1))
        else:
            encoder = TokenEncoder(**{name: getattr(self, name) for name in _ENCODER}).fit(texts)
            ids = encoder.transform(texts)
            tokens = [encoder.unknown_token, *encoder.vocabulary_]
        end = None if is_long else len(tokens)
        vocabulary = Vocabulary(encoder, tokens if is_long else [*tokens, END], end)
        return self._steps_to_learn(ids, vocabulary)

    def _check_no_encoder(self):
        """Check that nothing is said of how text becomes ids, where there are but ids."""
        defaults = {field.name: field.default for field in fields(self)}
        for name in _ENCODER:
            if getattr(self, name) != defaults[name]:
                raise ValueError(f"{name}={getattr(self, name)!r} has no effect on ids")

    def _read_more(self, X, what):
        is_long, texts, are_ids = open_texts(X)
        encoder, vocabulary = self.encoder_, self._vocabulary
        if is_long != (vocabulary.end is None):
            kinds = ["separate texts", "one long text"]
            raise ValueError(
                f"{what} goes on from the fitted model, which learned from {kinds[not is_long]}, "
                f"but X is {kinds[is_long]}"
            )
        for name in _ENCODER if encoder else ():
            fitted, wanted = getattr(encoder, name), getattr(self, name)
            if wanted != fitted:
                raise ValueError(
                    f"{what} goes on from the fitted model, which has {name}={fitted!r}, not "
                    f"{wanted!r}"
                )
        return self._steps_to_learn(vocabulary.ids(texts, are_ids), vocabulary)

    def _steps_to_learn(self, ids, vocabulary):
        """Separate texts, or the streams of a long one."""
        counts = np.bincount(np.concatenate(ids), minlength=vocabulary.size)
        if vocabulary.end is not None:
            counts[vocabulary.end] += len(ids)
            return replace(vocabulary.steps(ids, self.dtype), counts=counts)
        text = vocabulary.steps(ids, self.dtype)
        n_steps = len(text.ids) - 1  # the last token has none that follows
        if n_steps == 0:
            raise ValueError(_ONE_TOKEN)
        n_streams = 200 if self.batch_size == "auto" else int(self.batch_size)
        n_streams = min(n_streams, max(1, n_steps // (self.bptt_steps or 1)))
        return replace(
            text,
            values=text.values[:-1],
            ids=text.ids[:-1],
            offsets=np.linspace(0, n_steps, n_streams + 1).astype(np.int64),
            following=text.following[:-1],
            is_followed=text.is_followed[:-1],
            counts=counts,
        )

    def _read_sequences(self, X, dtype):
        _, texts, are_ids = open_texts(X)
        ids = self._vocabulary.ids(texts, are_ids, self.token_counts_)
        return self._vocabulary.steps(ids, dtype)

    def _read_weight(self, sample_weight, sequences):
        if sample_weight is not None and sequences.vocabulary.end is None:
            raise ValueError("sample_weight is for separate texts, but X is one long text")
        return as_sample_weight(sample_weight, sequences)

    def _read_validation_data(self, validation_data, training, target):
        vocabulary = training.vocabulary
        with in_argument("validation_data"):
            _, texts, are_ids = open_texts(validation_data)
            ids = vocabulary.ids(texts, are_ids, training.counts)
        texts = vocabulary.steps(ids, self.dtype)
        read = self._encode(None, texts, np.ones(len(texts)), None)
        if not read.weight.any():
            raise ValueError(f"validation_data: {_ONE_TOKEN}")
        return texts, read.values, read.weight

    def _encode(self, y, sequences, weight, known, *, part=False):
        steps = np.repeat(weight, sequences.lengths) * sequences.is_followed
        return Target(
            values=sequences.following,
            weight=narrow_weight(steps, sequences.values.dtype),
            n_outputs=sequences.vocabulary.size,
            groups=np.zeros(len(sequences), dtype=np.int64),
            attributes={},
            loss="log_loss",
            offsets=sequences.offsets,
        )

    def _describe(self, sequences, n_outputs, loss):
        tied = bool(self.tie_weights)
        sizes = self.hidden_layer_sizes
        size = sizes if isinstance(sizes, Integral) else sizes[-1]
        ((n_ids, width),) = self._tables(sequences)
        if tied and self.embedding_dim is None:
            width = size
        if tied and width != size:
            raise ValueError(
                f"tie_weights=True needs vectors of the size of the last hidden layer, {size}, but "
                f"embedding_dim is {self.embedding_dim!r}"
            )
        return super()._describe(
            sequences, n_outputs, loss, embeddings=((n_ids, width),), tied=tied
        )

    def _adopt_outputs(self, weights, tokens=None):
        sizes = [len(table) for table in weights.tables]
        n_outputs = len(weights.head["b"])
        if sizes != [n_outputs] or weights.n_features:
            raise ValueError(
                f"a language model reads ids, and has an output for each of them: there are tables "
                f"of {sizes} ids, {weights.n_features} numbers beside them, and {n_outputs} outputs"
            )
        if self.tie_weights and not np.array_equal(weights.head["W"].T, weights.tables[0]):
            raise ValueError("tie_weights=True, but the head has other weights than the embedding")
        encoder = None
        if tokens is None:
            self._check_no_encoder()
            tokens = list(range(n_outputs))
        else:
            encoder = TokenEncoder(**{name: getattr(self, name) for name in _ENCODER})
            tokens = read_tokens(tokens, n_outputs, encoder.unknown_token)
            encoder.vocabulary_ = {token: k for k, token in enumerate(tokens) if k}
            encoder.n_tokens_ = n_outputs
        text = Vocabulary(encoder, tokens, None).steps([np.zeros(1, np.int64)], self.dtype)
        # How often training has met each token is not known; but each may be met again.
        text = replace(text, counts=np.ones(n_outputs, dtype=np.int64))
        return text, learned({}, n_outputs, "log_loss"), weights.head

    def _held_out(self, sequences, target, rng):
        if sequences.vocabulary.end is not None:
            return super()._held_out(sequences, target, rng)
        n_streams = len(sequences)
        if n_streams < 2:
            raise ValueError(
                f"early_stopping=True holds out the last of the streams, but X, of "
                f"{len(sequences.ids) + 1} tokens, makes one only: lower bptt_steps (now "
                f"{self.bptt_steps}), raise batch_size, or give validation_data"
            )
        n_held_out = math.ceil(float(self.validation_fraction) * n_streams)
        return np.arange(n_streams - min(n_held_out, n_streams - 1), n_streams)

    def _windows(self, sequences):
        if sequences.vocabulary.end is not None or self.bptt_steps is None:
            return None
        return int(self.bptt_steps)

    def _estimate(self, sequences, architecture, validation=None, **changes):
        steps = changes.get("bptt_steps", self.bptt_steps)
        if sequences.vocabulary.end is None and steps is not None:
            # Of streams, only a window is kept.
            lengths = np.minimum(sequences.lengths, steps)
            offsets = np.concatenate([[0], np.cumsum(lengths)])
            sequences = replace(sequences, offsets=offsets)
        return super()._estimate(sequences, architecture, validation, **changes)

    def _estimate_prediction(self, lengths, architecture):
        return estimate_memory(
            lengths, architecture, training=False, keep_outputs=False, n_jobs=self.n_jobs
        )

    def _validation(self, network, sequences, values, weight):
        def validate():
            return -network.mean_loss(sequences, values, weight, n_jobs=self.n_jobs)

        return validate

    def _fitted_attributes(self, sequences, target, architecture):
        vocabulary = sequences.vocabulary
        return {
            **super()._fitted_attributes(sequences, target, architecture),
            **self._attributes_that_grow(sequences),
            "tokens_": vocabulary.tokens,
            "encoder_": vocabulary.encoder,
            "_vocabulary": vocabulary,
        }

    def _fitted_with(self):
        encoder = self.encoder_
        settings = {} if encoder is None else {name: getattr(encoder, name) for name in _ENCODER}
        return {**super()._fitted_with(), **settings, "tie_weights": self.network_.head.tied}

    def _record(self):
        known = None if self.encoder_ is None else list(self.encoder_.vocabulary_)
        is_long = self._vocabulary.end is None
        fields = {"vocabulary": known, "n_tokens": len(self.tokens_), "one_long_text": is_long}
        return fields, {"token_counts": self.token_counts_}

    def _restore(self, fields, file):
        n_tokens, is_long = fields.whole("n_tokens", 1), fields.flag("one_long_text")
        known = fields.optional("vocabulary", fields.entries, str)
        counts = file.array("fitted.token_counts", "int64", (n_tokens,))
        if not (counts >= 0).all() or not counts.any():
            raise ModelFileError("the tensor 'fitted.token_counts' has no counts")
        end = None if is_long else n_tokens - 1
        encoder, tokens = None, list(range(n_tokens if end is None else end))
        if known is not None:
            encoder = TokenEncoder(**{name: getattr(self, name) for name in _ENCODER})
            tokens = [encoder.unknown_token, *known]
            n_different = len({*tokens} - {""})
            fields.check(n_different == len(tokens), "vocabulary", "different tokens")
            encoder.vocabulary_ = {token: k for k, token in enumerate(known, start=1)}
            encoder.n_tokens_ = len(tokens)
        fields.check(
            0 < len(tokens) == (n_tokens if end is None else end), "n_tokens", "all of the tokens"
        )
        tokens += [] if end is None else [END]
        vocabulary = Vocabulary(encoder, tokens, end)
        text = vocabulary.steps([np.zeros(1, np.int64)], self.dtype)
        return replace(text, counts=counts), learned({}, n_tokens, "log_loss")

    def _attributes_that_grow(self, sequences):
        before = 0
        if vars(self).get("_vocabulary") is sequences.vocabulary:
            before = self.token_counts_  # training goes on
        return {"token_counts_": before + sequences.counts}


def _draw(p, temperature, top_k, rng):
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
