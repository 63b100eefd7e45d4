"""Which columns of a file hold what, by the options and by what a model has learned."""

from fastrnn.cli.options import UsageError


def find_columns(rows, options):
    """The columns of ids and times; None for one that is not there, unless it was named."""
    found = []
    for given, usual in ((options.id, "id"), (options.time, "time")):
        if given is not None:
            rows.check(given)
        name = given or usual
        found.append(name if name in rows.columns else None)
    return found


def feature_columns(model, options, columns):
    """The columns that a model reads, in its order, and those of them that hold categories."""
    learned = model.reader_.columns
    if model.reader_.n_columns is not None:
        raise ValueError(
            "the model was fitted on a table with a sequence in each row, but files have a row for "
            "each step"
        )
    if learned.names is None:
        others = {options.id or "id", options.time or "time"}
        names = split_names(options.features) or [name for name in columns if name not in others]
        return names, []
    if options.features is not None:
        raise UsageError("--features is for models without names of columns; this one has them")
    pairs = zip(learned.ids, learned.categories, strict=True)
    return list(learned.names), [learned.names[j] for j, values in pairs if values is not None]


def gaps_of(model, options, names):
    """Whether cells of features may be empty, and the one of these columns that has times or None.

    Without a model the parameters say it.
    """
    if model is not None:
        gaps = model.reader_.gaps
        return gaps.allows, None if gaps.time is None else names[gaps.time]
    allows = options.parameters.get("missing", "error") != "error"
    time = options.parameters.get("time_feature")
    return allows, names[time] if isinstance(time, int) and time < len(names) else time


def has_text(columns):
    """Whether a column of features is one of strings."""
    return any(column.dtype == object for column in columns)


def named_as_text(options, names):
    """Return which columns are categories because the parameter names them."""
    chosen = options.parameters.get("categorical_features")
    return [] if chosen is None or isinstance(chosen, str) else [n for n in names if n in chosen]


def split_names(text):
    """Split names of columns; None for none."""
    return None if text is None else [name for name in text.split(",") if name]
