"""The command ``fastrnn``: its words and options, its exit codes, its errors in one sentence.

Nothing heavy is imported before a command is chosen, so that ``fastrnn --help`` is quick.
"""

import argparse
import contextlib
import os
import sys
import textwrap
import warnings
from functools import partial
from importlib import import_module

from fastrnn import __version__
from fastrnn.cli.arguments import n_jobs, positive, whole
from fastrnn.cli.command_tables import OF_FILES, OF_TASKS, TASKS
from fastrnn.cli.output import escape_unknown_characters, printable, with_options

EXIT_CODES = """\
exit codes:
  0    all went well
  1    a file, its contents or a model are not as they should be
  2    wrong arguments
  130  Ctrl-C; train saves the model trained so far before
"""


def main(argv=None):
    """Run the command with arguments, by default those of the command line.

    Returns 0 if all went well, 1 after an error, 130 after Ctrl-C. Wrong arguments end the program
    with 2.
    """
    options, rest = _parser().parse_known_args(argv)
    if rest and not rest[0].startswith("--") and vars(options).get("file", "") is None:
        options.file = rest.pop(0)  # argparse loses it where options stand between MODEL and FILE
    if rest:
        options.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            escape_unknown_characters()
            options.run(options)
            _flush()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _forget_output()
        return 1
    except KeyboardInterrupt:
        return 130
    except argparse.ArgumentTypeError as error:
        if options.debug:
            raise
        options.parser.error(str(error))
    except (OSError, ValueError, TypeError, ImportError, MemoryError) as error:
        if options.debug:
            raise
        _print_what_is_left()
        print(f"fastrnn: {printable(_sentence(error))}", file=sys.stderr)
        return 1
    return 0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; gets its options when they are needed."""

    fill = None

    def parse_known_args(self, args=None, namespace=None):
        if self.fill is not None:
            self.fill, fill = None, self.fill
            fill(self)
        return super().parse_known_args(args, namespace)

    def error(self, message):
        self.exit(2, f"{self.prog}: {printable(message)}; see {self.prog} --help\n")


def _parser():
    parser = _new(
        _Parser,
        "Recurrent neural networks on CPUs: train them on files, ask them, look at them.",
        "fastrnn train classify speakers.csv --output speakers.fastrnn\n"
        "  fastrnn predict speakers.fastrnn new.csv > answers.csv\n"
        "  fastrnn demo",
        prog="fastrnn",
    )
    parser.add_argument("--version", action="version", version=f"fastrnn {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="command")
    for add in (_add_train, _add_predict, _add_evaluate, _add_info, _add_demo):
        add(commands)
    return parser


def _new(make, description, example, **options):
    heading = "examples" if "\n" in example else "example"
    return make(
        description=textwrap.fill(description, 79),
        epilog=f"{heading}:\n  {example}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **options,
    )


def _add_command(commands, name, what, description, example, run):
    parser = _new(partial(commands.add_parser, name, help=what), description, example)
    parser.add_argument(
        "--debug", action="store_true", help="show where an error comes from (traceback)"
    )
    parser.set_defaults(parser=parser, run=run)
    return parser


def _run(function):
    """Run a function of `fastrnn.cli.commands`, which is imported for it."""
    return lambda options: getattr(import_module("fastrnn.cli.commands"), function)(options)


def _add_train(commands):
    train = _new(
        partial(commands.add_parser, "train", help="train a model on a file"),
        "Train a model on a file of examples, and save it. Each task has options of its own.",
        "fastrnn train classify --help\n  " + "\n  ".join(task.example for task in TASKS.values()),
    )
    tasks = train.add_subparsers(title="tasks", required=True, metavar="task", dest="task")
    for name, task in TASKS.items():
        parser = _add_command(
            tasks,
            name,
            task.what,
            f"Learn {task.what}, from {task.source}. Ctrl-C ends training and saves the model "
            "trained so far.",
            task.example,
            _run("train"),
        )
        parser.fill = partial(_fill_train, name)


def _fill_train(task, parser):
    from fastrnn.cli.options import add_parameters
    from fastrnn.cli.tasks import TASKS as BY_NAME

    parser.usage = "%(prog)s [options] FILE"
    options = TASKS[task]
    parser.add_argument("file", metavar="FILE", help=options.file)
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="model.fastrnn",
        help="where to save the model (default: model.fastrnn)",
    )  # fmt: skip
    parser.add_argument("--plot", metavar="FILE", help="draw the loss of each epoch, as PNG or PDF")
    parser.add_argument("--config", metavar="FILE", help="TOML with parameters; options go first")
    parser.add_argument(
        "--validation", metavar="FILE",
        help="examples to score the model on after each epoch; with --early-stopping they decide",
    )  # fmt: skip
    parser.add_argument("--checkpoint", metavar="FILE", help="save the state of training there")
    parser.add_argument(
        "--checkpoint-every",
        metavar="N",
        type=positive,
        help="each N epochs (default: 1)",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint, if any")
    for name in options.train.split():
        _add_option(parser, name)
    _add_form(parser, options.is_text)
    by_name = BY_NAME[task]
    add_parameters(parser, getattr(import_module("fastrnn"), by_name.kind), by_name.defaults)


def _add_predict(commands):
    parser = _add_command(
        commands,
        "predict",
        "write what a model answers, as CSV",
        "Write what a model answers: CSV, or text. Columns of features are found by their names.",
        "fastrnn predict speakers.fastrnn new.csv --id utterance > answers.csv\n"
        "  sensor | fastrnn predict alarm.fastrnn --follow\n"
        "  fastrnn predict sales.fastrnn --horizon 28 --future holidays.csv\n"
        "  fastrnn predict book.fastrnn --prompt 'Once upon' --temperature 0.5",
        _run("predict"),
    )
    _add_model_and_file(
        parser,
        "rows, CSV (default: standard input) or .parquet; forecasts need none: they go on from "
        "what the model was trained on; for a model of text, what comes before",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    parser.add_argument(
        "--quote-formulas",
        action="store_true",
        help="put ' before cells of text that a spreadsheet would compute: those with =, +, - or @ "
        "in front",
    )
    _add_task_options(parser, "predict")


def _add_evaluate(commands):
    parser = _add_command(
        commands,
        "evaluate",
        "print how good a model is on a file",
        "Print how good a model is on a file of examples, such as train takes.",
        "fastrnn evaluate speakers.fastrnn test.csv --id utterance --label speaker",
        _run("evaluate"),
    )
    _add_model_and_file(parser, "examples, CSV (default: standard input) or .parquet, or a text")
    _add_task_options(parser, "evaluate")


def _add_info(commands):
    parser = _add_command(
        commands,
        "info",
        "print what is in a model file",
        "Print what is in a model file, without making the model.",
        "fastrnn info speakers.fastrnn",
        lambda options: import_module("fastrnn.cli.info").info(options),
    )
    parser.add_argument("model", metavar="MODEL", help="the model file")


def _add_demo(commands):
    parser = _add_command(
        commands,
        "demo",
        "train two networks and show what they learned",
        "Train a network that tells nine speakers apart, from real recordings, then one that "
        "remembers a token over many steps. Takes a few seconds.",
        "fastrnn demo --seed 1\n  fastrnn demo --csv .",
        lambda options: import_module("fastrnn.cli.demo").demo(options),
    )
    parser.add_argument(
        "--seed", type=whole, default=0, metavar="N",
        help="seed of all random numbers, a whole number >= 0 (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--n-jobs", type=n_jobs, default=1, metavar="N",
        help="number of threads, -1 for one per core (default: 1); results do not depend on it",
    )  # fmt: skip
    parser.add_argument(
        "--csv", metavar="FOLDER",
        help="train nothing, but write the recordings there, as vowels-train.csv and "
        "vowels-test.csv",
    )  # fmt: skip


def _add_model_and_file(parser, what):
    parser.add_argument("model", metavar="MODEL", help="the model file")
    parser.add_argument("file", metavar="FILE", nargs="?", help=what)


def _add_task_options(parser, command):
    """Add the options of tasks, each with the names of those that it is for."""
    takers = {name: [] for name in OF_TASKS}
    for task, options in TASKS.items():
        for name in getattr(options, command).split():
            takers[name].append(task)
    for name, tasks in takers.items():
        if tasks:
            _add_option(parser, name, f"for {', '.join(tasks)}: ")
    _add_form(parser)
    parser.set_defaults(takers=takers)


def _add_option(parser, name, prefix=""):
    options = dict(OF_TASKS[name])
    options["help"] = prefix + options["help"]
    parser.add_argument(f"--{name}", **options)


def _add_form(parser, is_text=False):
    """Add the options that say how files are written; a text has but an encoding."""
    for name, options in OF_FILES.items():
        if is_text and name != "encoding":
            parser.set_defaults(**{name.replace("-", "_"): None})
        else:
            parser.add_argument(f"--{name}", **options)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    message = printable(" ".join(str(message).split()))
    print(f"fastrnn: warning: {message}", file=sys.stderr)


def _flush():
    try:
        sys.stdout.flush()
    except OSError as error:
        error.filename = "standard output"
        raise


def _print_what_is_left():
    """After an error: if standard output takes nothing more, let Python not try it again."""
    try:
        sys.stdout.flush()
    except OSError:
        _forget_output()


def _sentence(error):
    """Say what went wrong, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return with_options(" ".join(str(error).split())) or type(error).__name__


def _forget_output():
    """Let Python have nothing left to write when it ends."""
    with contextlib.suppress(OSError, ValueError):  # standard output of tests has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
