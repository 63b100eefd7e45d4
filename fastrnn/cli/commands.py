"""What three commands do: train, predict, evaluate."""

import importlib.util
import signal
import threading
import time
import warnings

import fastrnn
from fastrnn.cli.follow import follow
from fastrnn.cli.options import UsageError, given_parameters, read_config
from fastrnn.cli.output import naming_sequences, printable
from fastrnn.cli.tasks import TASKS
from fastrnn.datasets.sources import name_of
from fastrnn.files.atomic import check_place


def train(options):
    """Train a model, and save it with a picture of the loss, also where Ctrl-C ends training."""
    task = TASKS[options.task]
    kind = getattr(fastrnn, task.kind)
    given = given_parameters(options, kind)
    config = read_config(options.config, kind) if options.config else {}
    options.parameters = {"verbose": True} | task.defaults | config | given
    try:
        kind(**options.parameters).check_parameters()
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    for path in filter(None, (options.output, options.plot, options.checkpoint)):
        check_place(path)  # not when all the training is done
    if options.plot and importlib.util.find_spec("matplotlib") is None:
        raise ImportError("--plot draws with matplotlib: pip install 'fastrnn[plot]'")
    keeps = {}
    if options.checkpoint:
        keeps = {
            "checkpoint": options.checkpoint,
            "checkpoint_every": options.checkpoint_every or 1,
            "resume": options.resume,
        }
    elif options.resume or options.checkpoint_every:
        raise UsageError("--resume and --checkpoint-every need --checkpoint")

    arguments, keywords, sizes, names = task.fit_arguments(options)
    model = kind(**options.parameters)
    verbose = bool(model.verbose)
    if verbose:
        for size in sizes:
            print(printable(f"{name_of(options.file)}: {size}"), flush=True)
    begun = time.perf_counter()
    try:
        with _Interrupts() as interrupts, naming_sequences(*names):
            model.fit(*arguments, **keywords, **keeps)
    except KeyboardInterrupt:
        warnings.warn("Training had not begun: there is no model to save.", stacklevel=1)
        raise
    seconds = time.perf_counter() - begun
    model.save(options.output)
    if options.plot and model.loss_curve_:
        _plot(model, options.plot)
    if verbose:
        epochs = f"{model.n_iter_} epoch{'s' * (model.n_iter_ != 1)}"
        path, loss = printable(options.output), f"loss {model.loss_:.6g}"
        print(f"{path}: {task.kind}, {epochs}, {loss}, {seconds:.1f} s")
    if interrupts.came:
        raise KeyboardInterrupt


def predict(options):
    """Write what a model answers."""
    if options.output is not None:
        check_place(options.output, is_replaced=False)  # answers go into pipes, too
    model, task = _load(options)
    if options.file is None and task.reads_rows:
        options.file = "-"
    if options.follow:
        if options.horizon or options.future:
            raise UsageError("--horizon and --future do not go with --follow")
        if options.sort:
            raise UsageError("--sort does not go with --follow, which waits for no row")
        if options.format not in (None, "csv", "json"):
            raise UsageError(f"--follow reads lines of CSV or JSON, not --format {options.format}")
        follow(model, task, options)
    else:
        task.write(model, options)


def evaluate(options):
    """Print how good a model is on a file."""
    model, task = _load(options)
    options.file = options.file or "-"
    figures = task.figures(model, options)
    figures = {printable(name): value for name, value in figures.items()}
    width = max(map(len, figures))
    for name, value in figures.items():
        shown = value if isinstance(value, int) else f"{value:.6g}"
        print(f"{name:{width}}  {shown}")


def _load(options):
    """Load the model, and check that the options are for its task."""
    model = fastrnn.load(options.model)
    name = next(name for name, task in TASKS.items() if task.is_for(model))
    for option, takers in options.takers.items():
        value = vars(options).get(option.replace("-", "_"))
        if value is not None and value is not False and name not in takers:
            kind = TASKS[name].kind + TASKS[name].of
            raise UsageError(f"--{option} is not for {kind}, which this model is")
    return model, TASKS[name]


def _plot(model, path):
    import matplotlib

    matplotlib.use("Agg")
    from fastrnn.plotting import LossCurveDisplay

    display = LossCurveDisplay.from_estimator(model)
    display.figure_.savefig(path)


class _Interrupts:
    """Notes in ``came`` whether Ctrl-C came: `fit` ends at it without an error."""

    def __init__(self):
        self.came = False

    def __enter__(self):
        # What the shell has started in the background is not to hear of Ctrl-C, nor are threads.
        self._before = signal.getsignal(signal.SIGINT)
        is_main = threading.current_thread() is threading.main_thread()
        self._listens = is_main and self._before is signal.default_int_handler
        if self._listens:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error):
        if self._listens:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number, frame):
        self.came = True
        raise KeyboardInterrupt
