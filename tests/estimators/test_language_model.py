"""RNNLanguageModel, with and without scikit-learn, which these tests do not need."""

import copy
import itertools
import math

import numpy as np
import pytest
from contract import CASES, IDS, same
from contract import LONG as TEXT
from contract import TEXTS as WORDS

from fastrnn import bridge
from fastrnn.estimators import RNNLanguageModel
from fastrnn.inputs.texts import END
from fastrnn.memory import MemoryLimitError
from fastrnn.network.network import Network

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def small(**params):
    """Return a model that trains in milliseconds."""
    defaults = {"batch_size": 4, "bptt_steps": 6, "max_iter": 2, "dtype": "float64"}
    return RNNLanguageModel(6, **{**defaults, "random_state": 0, **params})


KINDS = {name: case for name, case in CASES.items() if case.estimator is RNNLanguageModel}
"""What models are fitted on: one long text or separate ones, characters, words, tokens or ids."""


@pytest.fixture(params=KINDS)
def fitted(request):
    """Return a fitted model of each kind, and what it was fitted on."""
    case = KINDS[request.param]
    return case.fitted(), case.data[0]


def tokens_of(model, X):
    """Return the lists of tokens, with the end where texts have one."""
    one = isinstance(X, str) or isinstance(X[0], (int, np.integer))
    texts = [X] if one else X
    if model.encoder_ is not None:
        texts = model.encoder_.tokenize(texts)
    return [list(text) for text in texts]


def log_likelihoods(model, X):
    """Return the logarithm of each next token's probability, by `next_proba`, text by text."""
    numbers = {token: k for k, token in enumerate(model.tokens_)}
    has_end = model.tokens_[-1] == END
    likelihoods = []
    for tokens in tokens_of(model, X):
        first = 0 if has_end else 1
        likelihoods.append(
            [
                math.log(model.next_proba(tokens[:t])[numbers[token]])
                for t, token in enumerate([*tokens, END] if has_end else tokens)
                if t >= first
            ]
        )
    return likelihoods


def test_score_and_perplexity_are_those_of_next_proba(fitted):
    model, X = fitted
    X = X[:30] if isinstance(X, (str, np.ndarray)) else X
    likelihoods = log_likelihoods(model, X)
    mean = np.mean(np.concatenate(likelihoods))
    assert model.score(X) == pytest.approx(mean, rel=1e-12)
    assert model.perplexity(X) == pytest.approx(math.exp(-mean), rel=1e-12)
    assert model.score(X) == model.score(X, y="not used")


def test_score_samples_are_those_of_next_proba(fitted, monkeypatch):
    model, X = fitted
    X = X[:30] if isinstance(X, (str, np.ndarray)) else X
    likelihoods = log_likelihoods(model, X)
    got = model.score_samples(X)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, [sum(text) for text in likelihoods], rtol=1e-12)
    mean = [np.mean(text) for text in likelihoods]
    np.testing.assert_allclose(model.score_samples(X, per_token=True), mean, rtol=1e-12)
    monkeypatch.setattr("fastrnn.network.prediction.PREDICT_OUTPUTS", 3 * len(model.tokens_))
    np.testing.assert_allclose(model.score_samples(X), got, rtol=1e-12)


def test_score_samples_find_the_odd_one():
    texts = ["the cat sat", "the dog sat", "a cat ran", "a dog ran"] * 10
    model = small(max_iter=30, learning_rate_init=0.02).fit(texts)
    odd = [*texts[:3], "tac eht tas eht god nar", texts[3]]
    assert model.score_samples(odd, per_token=True).argmin() == 3
    model.network_.theta[:] *= 1e4  # probabilities that are 0 in any dtype
    assert np.isfinite(model.score_samples(odd)).all()


def test_score_samples_of_one_token():
    model = small().fit(TEXT)
    with pytest.raises(ValueError, match=r"^sequence 1 has one token only: there is nothing"):
        model.score_samples(["the", "t", "dog"])
    assert small().fit(WORDS).score_samples(["t"]).shape == (1,)


def test_score_of_weighted_texts():
    model = small().fit(WORDS)
    likelihoods = log_likelihoods(model, WORDS)
    weight = [1.0, 0.0, 2.5, 1.0, 3.0]
    total = sum(w * sum(text) for w, text in zip(weight, likelihoods, strict=True))
    n = sum(w * len(text) for w, text in zip(weight, likelihoods, strict=True))
    assert model.score(WORDS, sample_weight=weight) == pytest.approx(total / n, rel=1e-12)
    assert model.perplexity(WORDS, weight) == pytest.approx(math.exp(-total / n), rel=1e-12)


def test_the_score_is_the_same_however_time_is_cut(fitted, monkeypatch):
    model, X = fitted
    whole = model.score(X)
    monkeypatch.setattr("fastrnn.network.prediction.PREDICT_OUTPUTS", 3 * len(model.tokens_))
    monkeypatch.setattr("fastrnn.network.prediction.READ_ROWS", 2)
    assert model.score(X) == pytest.approx(whole, rel=1e-12)
    if isinstance(X, str):
        p = model.next_proba(X)
        monkeypatch.undo()
        np.testing.assert_allclose(model.next_proba(X), p, rtol=1e-12)


# Streams of one long text.


def spy_on_training(monkeypatch):
    """Return a list that gets, of each minibatch: ids, targets, window, states before and after."""
    seen, original = [], Network.loss_and_grad

    def loss_and_grad(self, sequences, indices, target, weight, **options):
        start, stop = options.get("window") or (0, None)
        rows = [
            np.arange(begin, end)[start:stop]
            for begin, end in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)
        ]
        rows = [rows[i] for i in indices]
        states = options.get("states")
        before = copy.deepcopy(states)
        loss = original(self, sequences, indices, target, weight, **options)
        seen.append(
            {
                "ids": [sequences.ids[r, 0] for r in rows],
                "targets": [target[r] for r in rows],
                "weights": [weight[r] for r in rows],
                "before": before,
                "after": copy.deepcopy(states),
            }
        )
        return loss

    monkeypatch.setattr(Network, "loss_and_grad", loss_and_grad)
    return seen


def test_windows_see_exactly_the_text(monkeypatch):
    seen = spy_on_training(monkeypatch)
    model = small(max_iter=1).fit(TEXT)
    numbers = model.encoder_.transform([TEXT])[0]
    assert {len(window["ids"]) for window in seen} == {4}
    assert max(len(ids) for window in seen for ids in window["ids"]) == 6
    streams, targets = (
        [np.concatenate([window[name][b] for window in seen]) for b in range(4)]
        for name in ("ids", "targets")
    )
    assert np.ptp([len(stream) for stream in streams]) <= 1
    np.testing.assert_array_equal(np.concatenate(streams), numbers[:-1])
    np.testing.assert_array_equal(np.concatenate(targets), numbers[1:])
    assert all((weight == 1).all() for window in seen for weight in window["weights"])


def test_states_are_carried_from_window_to_window_and_not_to_the_next_epoch(monkeypatch):
    seen = spy_on_training(monkeypatch)
    small(max_iter=2).fit(TEXT)
    n = len(seen) // 2
    for k, window in enumerate(seen):
        for before, after in zip(window["before"], seen[k - 1]["after"], strict=True):
            for array, last in zip(before, after, strict=True):
                if k % n == 0:
                    assert not array.any()
                else:
                    np.testing.assert_array_equal(array, last)
                    assert array.any()


def test_streams_are_those_of_separate_sequences_with_truncated_gradients():
    # A rate of nearly zero: the windows of the first epoch see the same weights.
    model = small(max_iter=1, learning_rate_init=1e-12, alpha=0.0).fit(TEXT)
    ids = model.encoder_.transform([TEXT])[0]
    bounds = np.linspace(0, len(ids) - 1, 5).astype(int)
    losses = []
    for begin, end in itertools.pairwise(bounds):
        sequence = model.reader_.vocabulary.sequence(ids[begin:end], np.float64)
        p = model.network_.predict(sequence)
        losses.extend(-np.log(p[np.arange(end - begin), ids[begin + 1 : end + 1]]))
    assert model.loss_ == pytest.approx(np.mean(losses), rel=1e-9)


@pytest.mark.parametrize(
    "batch_size, bptt_steps, n_streams", [(4, 6, 4), (100, 35, 10), (3, None, 3), (4, 1000, 1)]
)
def test_number_of_streams(batch_size, bptt_steps, n_streams, monkeypatch):
    seen = spy_on_training(monkeypatch)
    small(batch_size=batch_size, bptt_steps=bptt_steps, max_iter=1).fit(TEXT)
    assert len(seen[0]["ids"]) == n_streams
    assert bptt_steps is not None or len(seen) == 1


# Separate texts.


def test_separate_texts_begin_and_end(monkeypatch):
    seen = spy_on_training(monkeypatch)
    model = small(max_iter=1, batch_size=2, tokenizer="word").fit(WORDS)
    end = len(model.tokens_) - 1
    pairs = {
        (tuple(ids), tuple(targets))
        for batch in seen
        for ids, targets in zip(batch["ids"], batch["targets"], strict=True)
    }
    numbers = [tuple(ids) for ids in model.encoder_.transform(WORDS)]
    assert pairs == {((end, *ids), (*ids, end)) for ids in numbers}
    assert [len(batch["ids"]) for batch in seen] == [2, 2, 1]


def test_tokens_and_their_counts(fitted):
    model, X = fitted
    texts = tokens_of(model, X)
    flat = [token for tokens in texts for token in tokens]
    counts = {token: flat.count(token) for token in model.tokens_}
    if model.tokens_[-1] == END:
        counts[END] = len(texts)
    np.testing.assert_array_equal(model.token_counts_, list(counts.values()))
    if model.encoder_ is not None:
        known = {token: k for k, token in enumerate(model.tokens_) if token != END}
        assert known == {"<unk>": 0, **model.encoder_.vocabulary_}
    assert model.n_outputs_ == len(model.tokens_)
    assert model.n_categories_ == (len(model.tokens_),)


def test_weights_of_texts():
    params = {"batch_size": 5, "shuffle": False, "alpha": 0.0}
    weighted = small(**params).fit(IDS, sample_weight=[2.0, 0.0, 1.0])
    repeated = small(**params).fit([IDS[0], IDS[0], IDS[2]])
    np.testing.assert_allclose(weighted.network_.theta, repeated.network_.theta, rtol=1e-9)
    assert not np.allclose(weighted.network_.theta, small(**params).fit(IDS).network_.theta)
    with pytest.raises(ValueError, match="sample_weight is for separate texts"):
        small().fit(TEXT, sample_weight=[1.0])


# Samples.


def test_sample_at_temperature_zero_is_the_most_likely(fitted):
    model, _ = fitted
    prompt = model.tokens_[1:3]
    drawn, allowed = [], model.token_counts_ > 0
    for _ in range(8):
        best = model.tokens_[np.where(allowed, model.next_proba([*prompt, *drawn]), 0).argmax()]
        if best == END:
            break
        drawn.append(best)
    for temperature, top_k in [(0, None), (1e-9, None), (1, 1), (1e-320, 2)]:
        sample = model.sample(prompt, 8, temperature=temperature, top_k=top_k, random_state=3)
        assert list(sample) == drawn


def test_samples_are_reproducible_and_of_the_kind_of_the_prompt(fitted):
    model, _ = fitted
    prompt = model.tokens_[1:3]
    one, two, other = (model.sample(prompt, 30, random_state=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    assert isinstance(one, np.ndarray if model.encoder_ is None else list)
    generator = np.random.default_rng(1)
    assert np.array_equal(model.sample(prompt, 30, random_state=generator), one)
    if model.encoder_ is not None:
        text = model.sample("", 30, random_state=1)
        assert isinstance(text, str)
        joined = ("" if model.encoder_.tokenizer == "char" else " ").join(
            model.sample([], 30, random_state=1)
        )
        assert text == joined
    assert len(model.sample(prompt, 0)) == 0


def test_sampling_follows_the_probabilities():
    model = small(max_iter=1).fit([[0, 1, 2, 3, 3, 0, 2]])
    p = model.next_proba([1])
    rng = np.random.default_rng(0)
    for temperature, top_k in [(1.0, None), (0.5, None), (2.0, 3)]:
        wanted = p ** (1 / temperature)
        if top_k:
            wanted[np.sort(p.argsort()[:-top_k])] = 0
        wanted /= wanted.sum()
        first = [
            tuple(model.sample([1], 1, temperature=temperature, top_k=top_k, random_state=rng))
            for _ in range(600)
        ]
        shares = [first.count((k,)) / 600 for k in range(4)] + [first.count(()) / 600]
        np.testing.assert_allclose(shares, wanted, atol=0.07)


def test_the_end_ends_a_sample_and_unmet_tokens_are_never_drawn():
    model = small(max_iter=300, learning_rate_init=0.03, dtype="float32").fit(["abc"] * 8)
    assert model.sample("a", 50, random_state=0) == "bc"
    assert model.sample("", 50, random_state=0) == "abc"
    hot = small().fit(TEXT)
    sample = hot.sample("the ", 400, temperature=50.0, random_state=0)
    assert len(sample) == 400 and set(sample) <= set(TEXT)  # nothing was "<unk>"


def test_an_empty_prompt():
    model = small().fit(TEXT)
    shares = [TEXT.count(token) / len(TEXT) for token in model.tokens_]
    np.testing.assert_allclose(model.next_proba(), shares)
    assert model.sample(length=1, temperature=0) == " "
    model = small().fit(WORDS)
    assert not np.allclose(model.next_proba(""), model.token_counts_ / model.token_counts_.sum())
    for prompt in ([], (), np.array([])):
        np.testing.assert_array_equal(model.next_proba(prompt), model.next_proba())


def test_next_proba_reads_the_whole_prompt():
    model = small(max_iter=30, learning_rate_init=0.05).fit(TEXT)
    p = model.next_proba("the quick")
    assert p.shape == (len(model.tokens_),) and p.sum() == pytest.approx(1)
    assert not np.allclose(p, model.next_proba("he quick"), rtol=1e-9)
    states = model.network_.initial_states(1)
    for token in "the quick":
        step = model.reader_.vocabulary.sequence(np.array([model.tokens_.index(token)]), np.float64)
        last = model.network_.read_on(step, states)[0]
    np.testing.assert_allclose(p, last, rtol=1e-12)


# Unknown tokens.


def test_unknown_tokens_are_errors_if_training_met_none():
    model = small().fit(TEXT)
    with pytest.raises(ValueError, match=r"prompt: sequence 0, token 3 is '&', .* vocabulary"):
        model.sample("the&")
    with pytest.raises(ValueError, match=r"prompt: .*'X'"):
        model.next_proba("X")
    with pytest.raises(ValueError, match="sequence 1, token 0 is 'Y'"):
        model.perplexity(["the", "Y"])
    with pytest.raises(ValueError, match="validation_data: sequence 0, token 4 is 'Z'"):
        small().fit(TEXT, validation_data="the Z")


def test_unknown_tokens_are_read_as_such_if_training_met_some():
    text = TEXT + "XYZ"
    for params in ({"min_freq": 2}, {"max_features": 10}):
        model = small(**params).fit(text)
        assert model.token_counts_[0] >= 3
        np.testing.assert_array_equal(model.next_proba("the&"), model.next_proba("the#"))
        assert np.isfinite(model.perplexity("the quick #"))
    model = small(tokenizer=str.split).fit("a b <unk> a b a")
    np.testing.assert_array_equal(model.next_proba("a c"), model.next_proba("a <unk>"))


# Tied weights, vocabulary, what is refused.


def test_tied_weights():
    model = small(tie_weights=True).fit(TEXT)
    assert model.network_.head.tied and "W" not in model.network_.head.params
    assert model.network_.embeddings[0].shape == (len(model.tokens_), 6)
    likelihoods = log_likelihoods(model, TEXT[:20])
    assert model.score(TEXT[:20]) == pytest.approx(np.mean(likelihoods), rel=1e-12)
    small(tie_weights=True, embedding_dim=6).fit(TEXT)
    with pytest.raises(ValueError, match="last hidden layer, 6, but embedding_dim is 8"):
        small(tie_weights=True, embedding_dim=8).fit(TEXT)


def test_sizes_of_the_network():
    model = small(embedding_dim=9).set_params(hidden_layer_sizes=(7, 5)).fit(TEXT)
    assert [layer.hidden_size for layer in model.network_.layers] == [7, 5]
    assert model.network_.embeddings[0].shape == (len(model.tokens_), 9)
    assert model.network_.head.params["W"].shape == (5, len(model.tokens_))


@pytest.mark.parametrize(
    "params, message",
    [
        ({"bidirectional": True}, "bidirectional must be False, since the model would see"),
        ({"solver": "lbfgs"}, "solver must be one of 'adam', .* got 'lbfgs'"),
        (
            {"categorical_features": "all"},
            "categorical_features must be None, since a language model reads tokens",
        ),
        ({"tokenizer": "letter"}, "tokenizer must be 'char', 'word', 'space' or a callable"),
        ({"min_freq": 0}, "min_freq must be"),
        ({"max_features": 0}, "max_features must be"),
        ({"embedding_dim": (3, 4)}, "embedding_dim=.* has 2 entries"),
        ({"min_freq": 1000}, "no token occurs min_freq=1000 times"),
    ],
)
def test_parameters_that_do_not_suit(params, message):
    with pytest.raises(ValueError, match=message):
        small(**params).fit(TEXT)
    assert not hasattr(RNNLanguageModel(), "class_weight")


@pytest.mark.parametrize(
    "X, error, message",
    [
        (b"abc", TypeError, "X is of type bytes, expected a text"),
        (iter("abc"), TypeError, "expected a text, a list of texts"),
        (5, TypeError, "X is of type int"),
        ([], ValueError, "X is empty"),
        ("", ValueError, "is empty"),
        ("a", ValueError, "no text of two tokens"),
        ([7], ValueError, "no text of two tokens"),
        (["ab", ""], ValueError, "sequence 1 is empty"),
        (["ab", 3], TypeError, "sequence 1 is of type int"),
        ([["a", 3]], TypeError, "sequence 0, token 1 is of type int"),
        ([0, 1.5, 2], ValueError, "sequence 0, time step 1, feature 0 is 1.5, expected an id"),
        ([[0, 1], [2, -1]], ValueError, "sequence 1, time step 1, feature 0 is -1"),
        (
            np.zeros((2, 3, 2)),
            TypeError,
            "sequence 0, token 0 is of type ndarray, expected a string",
        ),
    ],
)
def test_texts_that_are_none(X, error, message):
    with pytest.raises(error, match=message):
        small().fit(X)


def test_what_a_fitted_model_refuses():
    model = small().fit(IDS)
    with pytest.raises(
        ValueError, match=r"sequence 0, time step 1, .* is the id 3, expected one fr"
    ):
        model.perplexity([[0, 3]])
    with pytest.raises(ValueError, match="prompt: "):
        model.sample([3])
    with pytest.raises(TypeError, match="X is text, but the model was fitted on ids"):
        model.score("abc")
    with pytest.raises(ValueError, match="min_freq=2 has no effect on ids"):
        small(min_freq=2).fit(IDS)
    model = small().fit(TEXT)
    with pytest.raises(TypeError, match="X is ids, but the model was fitted on text"):
        model.score([1, 2, 3])
    with pytest.raises(ValueError, match="no text of two tokens"):
        model.score("t")
    for arguments in ({"length": -1}, {"temperature": -0.1}, {"top_k": 0}, {"temperature": "hot"}):
        with pytest.raises(ValueError, match=f"^{next(iter(arguments))} must be"):
            model.sample("the", **arguments)
    with pytest.raises(bridge.NotFittedError):
        small().sample("the")
    with pytest.raises(bridge.NotFittedError):
        small().perplexity("the")


def test_data_frames_are_refused():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": WORDS})
    with pytest.raises(TypeError, match="X is a DataFrame, expected one of its columns"):
        small().fit(frame)
    assert same(small().fit(frame["text"]), small().fit(WORDS))


# Training that goes on, stops, and is scored.


def test_partial_fit_counts_tokens(fitted):
    model, X = fitted
    counts = model.token_counts_
    np.testing.assert_array_equal(model.partial_fit(X).token_counts_, 2 * counts)


def test_partial_fit_and_warm_start_keep_the_vocabulary():
    for first, more in ((TEXT, "the fox XX"), (WORDS, ["to be", "XX"])):
        model = small(warm_start=True, embedding_dim=6).fit(first)
        tokens = model.tokens_
        assert model.token_counts_[0] == 0
        model.partial_fit(more)
        assert model.tokens_ == tokens and model.token_counts_[0] == 2
        assert np.isfinite(model.perplexity("the Y"))  # it was learned what an unknown one is
        model.fit(more)
        assert model.tokens_ == tokens and model.token_counts_[0] == 4
    with pytest.raises(ValueError, match="learned from separate texts, but X is one long text"):
        model.partial_fit(TEXT)
    with pytest.raises(ValueError, match="has tokenizer='char', not 'word'"):
        model.set_params(tokenizer="word").fit(WORDS)
    with pytest.raises(ValueError, match="has tied=False, not True"):
        model.set_params(tokenizer="char", tie_weights=True).partial_fit(WORDS)


def test_early_stopping_holds_out_the_end_of_a_long_text(monkeypatch):
    seen = spy_on_training(monkeypatch)
    params = {"early_stopping": True, "batch_size": 10, "validation_fraction": 0.15}
    model = small(**params, max_iter=5).fit(TEXT)
    ids = model.encoder_.transform([TEXT])[0]
    cut = int(np.linspace(0, len(ids) - 1, 11).astype(int)[8])
    windows = seen[: len(seen) // 5]
    streams = [np.concatenate([window["ids"][b] for window in windows]) for b in range(8)]
    np.testing.assert_array_equal(np.concatenate(streams), ids[:cut])
    assert len(model.validation_scores_) == 5
    assert model.best_validation_score_ == max(model.validation_scores_)
    with pytest.raises(ValueError, match="holds out the last of the streams, but X, of 9 tokens"):
        small(**params).fit("the quick")


def test_memory_is_that_of_a_window_and_no_outputs_are_kept(monkeypatch):
    model, text = small(), TEXT * 50
    assert model.estimate_memory(text) < 1.3 * model.estimate_memory(TEXT) + 8 * 20 * len(text)
    assert small(bptt_steps=60).estimate_memory(TEXT) > 1.3 * model.estimate_memory(TEXT)
    ids = np.arange(20_000) % 5000
    model = RNNLanguageModel(4, batch_size=2, max_iter=1, embedding_dim=2).fit(ids)
    monkeypatch.setattr("fastrnn.free_memory.available_memory", lambda: 200 * 2**20)
    assert np.isfinite(model.perplexity(ids))  # its outputs are 400 MB
    model.fit(ids, validation_data=ids)
    with pytest.raises(MemoryLimitError):
        RNNLanguageModel(4, batch_size=500, bptt_steps=40).fit(ids)


# What it learns.


def test_learns_a_chain_to_its_entropy():
    # After 0 comes 1 or 2, each as likely, then 0 again: an entropy of log(2) / 2 per token.
    ids = np.zeros(6000, dtype=int)
    ids[1::2] = np.random.default_rng(0).integers(1, 3, size=3000)
    params = {"learning_rate": "cosine", "learning_rate_init": 0.02, "batch_size": 10}
    model = RNNLanguageModel(8, max_iter=6, random_state=0, **params).fit(ids[:5000])
    assert math.sqrt(2) * 0.99 < model.perplexity(ids[5000:]) < math.sqrt(2) * 1.02


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "carry_lstm"])
@pytest.mark.parametrize("tie_weights", [False, True])
def test_remembers_over_the_borders_of_windows(cell, tie_weights):
    # A period of 5 with windows of 2: what comes next depends on the state that is carried.
    model = RNNLanguageModel(
        16, cell=cell, tie_weights=tie_weights, batch_size=4, bptt_steps=2, random_state=0,
        learning_rate="cosine", learning_rate_init=0.02, max_iter=20,
    ).fit("aabab" * 60)  # fmt: skip
    assert model.perplexity("aabab" * 4) < 1.6
    assert model.sample("aababaab", 7, temperature=0) == "abaabab"


def test_n_jobs_changes_no_score():
    models = [small(n_jobs=n, batch_size=40, bptt_steps=3).fit(TEXT) for n in (None, 2, 3)]
    scores = {model.score([TEXT[:50]] * 70) for model in models}
    assert len(scores) == 1


# As an estimator.


def test_states_have_the_begin_of_a_text():
    model = small().fit(WORDS)
    states = model.hidden_states(WORDS)
    assert [len(rows) for rows in states] == [len(text) + 1 for text in WORDS]


def test_scikit_learn_takes_it():
    sklearn = pytest.importorskip("sklearn")
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(small(min_freq=2), {"cell": ["gru", "rnn"]}, cv=2).fit(WORDS * 4)
    assert search.best_estimator_.sample("to", 4, random_state=0)
    assert math.isfinite(search.best_score_)
    assert sklearn.utils.get_tags(search.best_estimator_).input_tags.string
