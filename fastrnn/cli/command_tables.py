"""What there is to be said on the command line: tasks, and options that are no parameters.

Nothing is imported for it, so that ``fastrnn --help`` is quick.
"""

from dataclasses import dataclass

from fastrnn.cli.arguments import (
    delimiter,
    encoding,
    number,
    numbers,
    positive,
    quote,
    time_zone,
    whole,
    words,
)

ROWS = "CSV or Parquet in long form: a row for each time step"
_FILE_OF_ROWS = "CSV (- for standard input) or .parquet"
_SEQUENCES = "id time features"


@dataclass(frozen=True)
class TaskOptions:
    """What a task of train learns, from what, and the options of its own in each command."""

    what: str
    example: str
    train: str
    predict: str
    evaluate: str
    source: str = ROWS
    file: str = _FILE_OF_ROWS
    is_text: bool = False  # whether the file has no columns


# What they do is in fastrnn.cli.tasks.
TASKS = {
    "classify": TaskOptions(
        "one label for each sequence",
        "fastrnn train classify speakers.csv --id utterance --label speaker --cell gru\n"
        "  fastrnn train classify speakers.csv --config gru.toml --max-iter 50 --plot loss.png",
        train=f"{_SEQUENCES} label",
        predict=f"{_SEQUENCES} proba follow",
        evaluate=f"{_SEQUENCES} label",
    ),
    "regress": TaskOptions(
        "one or several numbers for each sequence",
        "fastrnn train regress engines.csv --id engine --target remaining_cycles",
        train=f"{_SEQUENCES} target",
        predict=f"{_SEQUENCES} follow",
        evaluate=f"{_SEQUENCES} target",
    ),
    "tag": TaskOptions(
        "a label for each step",
        "fastrnn train tag sentences.csv --features word --label part_of_speech",
        train=f"{_SEQUENCES} label",
        predict=f"{_SEQUENCES} proba follow",
        evaluate=f"{_SEQUENCES} label",
    ),
    "translate": TaskOptions(
        "a text for each text",
        "fastrnn train translate words.csv --source word --target sounds\n"
        "  fastrnn train translate english.txt --targets french.txt --tokenizer word",
        train="source target no-header targets validation-targets",
        predict="source target no-header lines n-best beam-size",
        evaluate="source target no-header targets beam-size",
        source="CSV, TSV or Parquet with two columns of texts, or from two files of lines",
        file="CSV, TSV (- for standard input) or .parquet; with --targets a text file",
    ),
    "transcribe": TaskOptions(
        "what is said in each sequence",
        "fastrnn train transcribe frames.csv --labels said.csv --id recording",
        train=f"{_SEQUENCES} label labels",
        predict=f"{_SEQUENCES} label n-best beam-size follow",
        evaluate=f"{_SEQUENCES} label labels beam-size",
        source=f"{ROWS}, and a file with the labels of each sequence",
    ),
    "forecast": TaskOptions(
        "how time series go on",
        "fastrnn train forecast sales.csv --id shop --value sold --seasonality 7",
        train="id time value layout future-covariates past-covariates static-covariates "
        "validation-start",
        predict="horizon quantiles future follow",
        evaluate="horizon step start",
    ),
    "write": TaskOptions(
        "what comes next in a text",
        "fastrnn train write book.txt --hidden-layer-sizes 128 --max-iter 20",
        train="lines",
        predict="prompt length temperature top-k seed",
        evaluate="",
        source="a text",
        file="a text file",
        is_text=True,
    ),
}


# Options that belong to tasks, which say in their lists what they take.
OF_TASKS = {
    "id": {"metavar": "COLUMN", "help": "the sequence that a row belongs to (default: id)"},
    "time": {
        "metavar": "COLUMN",
        "help": "time of a row, a number or date, which must rise within each sequence (default: "
        "time; where there is none, rows come in order)",
    },
    "features": {"metavar": "A,B", "help": "columns of features (default: all others)"},
    "label": {"metavar": "COLUMN", "help": "the label, or labels (default: label)"},
    "labels": {"metavar": "FILE", "help": "the labels of each id: a row for each"},
    "source": {
        "metavar": "COLUMN",
        "help": "the texts to read (default: source, or the first of two columns)",
    },
    "target": {
        "metavar": "A,B",
        "help": "the number, numbers or text to predict (default: target; of texts else the other "
        "of two columns)",
    },
    "no-header": {
        "action": "store_true",
        "help": "the first line has texts, and columns are called 1, 2 and so on",
    },
    "targets": {"metavar": "FILE", "help": "what the lines of FILE become, line by line"},
    "validation-targets": {"metavar": "FILE", "help": "likewise of --validation"},
    "value": {
        "metavar": "COLUMN",
        "help": "value of the series (default: value); with --layout wide columns A,B (default: "
        "all but that of times)",
    },
    "layout": {
        "choices": ["long", "wide"],
        "default": "long",
        "help": "a row for each step of each series, or a column for each series (default: long)",
    },
    "future-covariates": {"metavar": "A,B", "help": "columns of what is known beforehand"},
    "past-covariates": {"metavar": "A,B", "help": "columns of what is known up to now"},
    "static-covariates": {
        "metavar": "A,B",
        "help": "columns of what does not change within a series",
    },
    "validation-start": {
        "metavar": "STEP",
        "type": int,
        "help": "first step of each series of --validation to score; -12 scores the last 12",
    },
    "lines": {"action": "store_true", "help": "each line is a text by itself"},
    "n-best": {
        "metavar": "N",
        "type": positive,
        "help": "the N likeliest answers to each, with the logarithms of their probabilities",
    },
    "beam-size": {
        "metavar": "N",
        "type": positive,
        "help": "beginnings that the search keeps (default: as the model was trained with)",
    },
    "follow": {
        "action": "store_true",
        "help": "answer each line at once, from what has come of its sequence so far",
    },
    "proba": {"action": "store_true", "help": "the probability of each label, not the likeliest"},
    "horizon": {
        "metavar": "N",
        "type": positive,
        "help": "steps to forecast (default: the horizon that the model was trained with)",
    },
    "quantiles": {
        "metavar": "P,P",
        "type": numbers,
        "help": "these quantiles, such as 0.1,0.9",
    },
    "future": {"metavar": "FILE", "help": "rows that follow, with what is known beforehand"},
    "step": {
        "metavar": "N",
        "type": positive,
        "help": "steps from one forecast to the next (default: as many as are forecast)",
    },
    "start": {
        "metavar": "N",
        "type": positive,
        "help": "steps of each series before the first forecast (default: as few as will do)",
    },
    "prompt": {"metavar": "TEXT", "help": "what comes before; FILE may have it instead"},
    "length": {"metavar": "N", "type": whole, "help": "tokens to write (default: 100)"},
    "temperature": {
        "metavar": "X",
        "type": number,
        "help": "below 1 likely tokens become likelier, 0 takes the likeliest (default: 1)",
    },
    "top-k": {
        "metavar": "N",
        "type": positive,
        "help": "draw among the N likeliest tokens",
    },
    "seed": {
        "metavar": "N",
        "type": whole,
        "help": "seed of chance, for the same text again",
    },
}


OF_FILES = {
    "format": {
        "choices": ["csv", "parquet", "json", "conll", "conllu", "ucr", "ts", "tsf", "arff"],
        "metavar": "FORMAT",
        "help": "of the files: %(choices)s (default: by name and contents)",
    },
    "delimiter": {
        "metavar": "C",
        "type": delimiter,
        "help": "what stands between cells: a character, tab or space (default: as in the file)",
    },
    "quote": {
        "metavar": "C",
        "type": quote,
        "help": 'what stands around cells that have delimiters, or none (default: ")',
    },
    "decimal": {
        "choices": [".", ","],
        "help": "decimal sign (default: a comma where numbers prove it, else a point)",
    },
    "na-values": {
        "metavar": "A,B",
        "type": words,
        "help": "what stands for nothing, beside an empty cell (default: NaN)",
    },
    "time-format": {
        "metavar": "F",
        "help": "how times are written, such as %%d/%%m/%%Y (default: as in the file)",
    },
    "time-zone": {
        "metavar": "NAME",
        "type": time_zone,
        "help": "zone of dates, such as Europe/Berlin (default: that of their offsets, UTC of "
        "several)",
    },
    "sort": {
        "action": "store_true",
        "help": "sort the rows of each sequence by time, instead of checking that they are",
    },
    "encoding": {
        "metavar": "NAME",
        "type": encoding,
        "help": "of text (default: that of its byte order mark, else utf-8)",
    },
}
