"""Networks for tests, in fewer words."""

from fastrnn.network import Architecture, Network

OF_TRAINING = ("dropout", "recurrent_dropout", "alpha", "random_state")


def describe(D, sizes, K, **options):
    """An architecture; a tuple as head has the levels of quantiles."""
    if isinstance(options.get("head"), tuple):
        options |= {"head": "quantiles", "head_options": {"levels": options["head"]}}
    return Architecture(n_features=D, hidden_layer_sizes=sizes, n_outputs=K, **options)


def build(D, sizes, K, **options):
    """A network; the options are of the architecture and of training."""
    of_training = {name: options.pop(name) for name in OF_TRAINING if name in options}
    return Network(describe(D, sizes, K, **options), **({"random_state": 0} | of_training))
