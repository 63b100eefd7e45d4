"""Which columns of a file hold what, by the options and by what a model has learned."""

import csv

from fastrnn.cli.options import UsageError
from fastrnn.datasets.form import Form


def form_of(options):
    """Return what the options say of how files are written."""
    return Form(
        format=options.format,
        delimiter=options.delimiter,
        quote=options.quote,
        decimal=options.decimal,
        na_values=options.na_values,
        time_format=options.time_format,
        time_zone=options.time_zone,
        encoding=options.encoding,
        header=not vars(options).get("no_header"),
        sort=options.sort,
        of_command=True,
    )


def find_columns(rows, options):
    """The columns of ids and times; None for one that is not there, unless it was named."""
    found = []
    for given, usual in ((options.id, "id"), (options.time, "time")):
        if given is not None:
            found.append(rows.find(given))
        else:
            found.append(usual if usual in rows.columns else None)
    if options.time is None and "time" in rows.of_sequences:
        found[1] = None  # one for each sequence, not for each step
    return found


def feature_columns(model, options, rows):
    """The columns that a model reads, in its order, and those of them that hold categories."""
    learned = model.reader_.columns
    if model.reader_.n_columns is not None:
        raise ValueError(
            "the model was fitted on a table with a sequence in each row, but files have a row for "
            "each step"
        )
    if learned.names is None:
        names = named_features(rows, options)
        if names is None:
            names = rows.usual_features({*find_columns(rows, options)})
        return names, []
    if options.features is not None:
        raise UsageError("--features is for models without names of columns; this one has them")
    pairs = zip(learned.ids, learned.categories, strict=True)
    return list(learned.names), [learned.names[j] for j, values in pairs if values is not None]


def named_features(rows, options):
    """Return the columns that --features names, None without it."""
    names = split_names(options.features)
    return None if names is None else [rows.find(name) for name in names]


def has_text(columns):
    """Whether a column of features is one of strings."""
    return any(column.dtype == object for column in columns)


def text_columns(features):
    """Name the columns of features that are strings."""
    return [name for name, column in features.items() if column.dtype == object]


def tell_categories(features):
    """Say which columns of features became categories, in a list of sentences."""
    counts = {name: len({*features[name].tolist()} - {None}) for name in text_columns(features)}
    words = {name: "1 category" if n == 1 else f"{n} categories" for name, n in counts.items()}
    return [f"{name} is read as {shown}" for name, shown in words.items()]


def named_as_text(options, names):
    """Return which columns are categories because the parameter names them."""
    chosen = options.parameters.get("categorical_features")
    return [] if chosen is None or isinstance(chosen, str) else [n for n in names if n in chosen]


def split_names(text):
    """Split names of columns, in quotes where they have commas; None for none."""
    return None if text is None else [name for name in next(csv.reader([text]), []) if name]


GAPS_ADVICE = "; --missing mask accepts gaps"


def gaps_of(model, options, names):
    """How `table` reads these columns: whether cells may be empty, and if not what to do.

    Also which of them has times, or None. Without a model the parameters say it.
    """
    if model is not None:
        gaps = model.reader_.gaps
        allows, time = gaps.allows, None if gaps.time is None else names[gaps.time]
    else:
        allows = options.parameters.get("missing", "error") != "error"
        time = options.parameters.get("time_feature")
        time = names[time] if isinstance(time, int) and time < len(names) else time
    return {"gaps": allows, "time": time, "advice": GAPS_ADVICE}
