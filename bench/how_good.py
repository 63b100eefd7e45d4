"""Write the page of what the defaults learn, from the JSON files of the programs that measured it.

    python bench/how_good.py docs/how-good.json --choose FILE --report FILE ...

Each file takes the place of one part of the figures; the other parts stay as they are. Those of
models that vote (``--choose-vote`` and so on) are columns of the table of that part. The page
stands beside, under the same name with the ending .md. The same figures give the same text.
"""

import argparse
import json
from pathlib import Path
from statistics import mean

from measuring import save
from pieces import number, table

HEAD = """\
# How good the defaults are

What the default constructors learn on real data, beside what else one would take. No parameter is
set but those that say what the data are: that columns are ids, that values are missing, the season
of a forecast. **Bold** is the best of a row. Seconds are those of one `fit`, on one core of a
machine that did other things too.
"""

PARTS = {
    "choose": """\
## Classification: sets to choose on

Accuracy on the test parts of {n} sets, means of {seeds} seeds. The defaults were chosen on the
training parts of 27 of them by 3-fold cross-validation with one seed, the second course of
`max_iter="auto"` on those of 9 of whose loss one course leaves much, that first filters are
[whitened](long-sequences.md) on those of 26, with two seeds; the test parts chose nothing.
By the side stand the commonest class, ridge on all values, the nearest neighbour by dynamic time
warping within a tenth of the length ("-": it would have taken hours), and
[MiniRocket](https://arxiv.org/abs/2012.08791), the last two of the package aeon. Of the set that
is left to choose on, ElectricDevices (8926 sequences of 96 steps), the means alone are known:
0.720, 0.725 by five models, and 0.742 by MiniRocket.

"5 of them" are these five models when they [vote](classify.md#several-models). Five is what
[InceptionTime](https://arxiv.org/abs/1909.04939) takes; these figures did not choose it.

Other settings are better for single sets. Found by cross-validation on the training part:
JapaneseVowels 0.986 with `bidirectional=True` (mean of 3 seeds), ACSF1 0.848 with `augment=None,
conv=[(128, 5, 4), (128, 5, 4)], learning_rate_init=0.0005` (5 seeds; 0.852 with the default rate,
which cross-validation had chosen before that one).
""",
    "report": """\
## Classification: sets that chose nothing

The other half of the archive, {n} sets, means of {seeds} seeds. They chose nothing, and were looked
at four times. The first time the mean was 0.748. Two things came after that look, chosen on the
sets above: that the last epochs read the sequences as they are, and that a second course follows
where the first leaves much of the loss. The second time it was 0.781, the third time 0.803 by five
models that vote. Then came, chosen on the sets above, too, that first filters are whitened, and all
were measured again.

Where classes differ in small differences all along a sequence, as in ChlorineConcentration, the
defaults learn little, and a linear model more: try `augment=None`, smaller kernels in `conv` and
more epochs there.
""",
    "numbers": """\
## Regression

Root of the mean squared error on the test parts, means of {seeds} seeds, beside the mean of the
training part, ridge on all values, nearest neighbour and MiniRocket's features with ridge. Lower is
better. The second course of `max_iter="auto"`, and that there is none where more than a third is
left (Covid3Month), was chosen on their training parts, too; whitened first filters are better for
both there. What to take for these two is MiniRocket.
""",
    "forecasts": """\
## Forecasts

Series of the M3, M1 and tourism competitions, all of a set by one network: errors sMAPE and MASE,
means over series and {seeds} seeds, lower is better; how many of the values lay between the
quantiles 0.1 and 0.9 (80 % should), as learned and after `calibrate="cv"`. The defaults were chosen
by the errors on as many steps before what was to forecast. What was to forecast had been looked at
with 20 epochs before 10 were taken, and without `lags`, so take the errors for a little too
favourable. Theta and ETS are those of the package statsforecast, LightGBM is given lags; of months
ETS takes minutes.
""",
    "tagging": """\
## Tagging

Parts of speech of a Hebrew treebank: {words[0]} words to learn from, {words[1]} to test. A word is
its own id and those of its first and last three letters.
""",
    "names": """\
## Text: the sex of a first name

{names[0]} names to learn from, {names[1]} to score. Letters for fastrnn, all pieces of up to five
letters for TF-IDF: on words as short as these, it wins.
""",
}
OTHERS = ("constant", "ridge", "1-NN DTW", "MiniRocket")
VOTE = "_vote"  # ends the name of figures that are columns of another part
VOTES = tuple(name + VOTE for name in ("choose", "report", "numbers"))


def best_in_bold(values, texts, best):
    """Return the texts, bold where the value is the best; None is no value."""
    there = [text for value, text in zip(values, texts, strict=True) if value is not None]
    wanted = best(there, key=float)
    return [
        "-" if value is None else f"**{text}**" if text == wanted else text
        for value, text in zip(values, texts, strict=True)
    ]


def scores_table(part, decimals, best):
    """Return the header and lines of a table with one set to a row, and the means of its columns.

    Where there are figures of models that vote, they have a column beside those of one.
    """
    rows, vote = part["rows"], part["vote"]
    votes = {row["set"]: row for row in vote["rows"]} if vote else {}
    lines, figures = [], []
    for row in rows:
        runs = [row, *([votes[row["set"]]] if vote else [])]
        values = [*(mean(run["fastrnn"]) for run in runs), *(row[other] for other in OTHERS)]
        seconds = [mean(run["seconds"]) for run in runs]
        size = [str(row["training"]), f"{row['steps']:.0f}"]
        kinds = [str(row["classes"])] if best is max else []
        lines.append([row["set"], *kinds, *size, *_shown(values, seconds, decimals, best)])
        figures.append((values, seconds))
    scores, times = (zip(*columns, strict=True) for columns in zip(*figures, strict=True))
    means = [[None if None in column else mean(column) for column in of] for of in (scores, times)]
    names = ["fastrnn", *([f"{vote['members']} of them"] if vote else []), *OTHERS]
    clocks = ["seconds", *([f"of {vote['members']}"] if vote else [])]
    header = ["set", *(["classes"] if best is max else []), "sequences", "steps", *names, *clocks]
    return header, lines, _shown(*means, decimals, best)


def _shown(values, seconds, decimals, best):
    """Scores and seconds as they stand in a row."""
    texts = ["" if value is None else f"{value:.{decimals}f}" for value in values]
    return [*best_in_bold(values, texts, best), *map(number, seconds)]


def classes_part(part):
    """Lines of a table of accuracies, with their means over all sets."""
    header, lines, means = scores_table(part, 3, max)
    return table(header, [*lines, ["mean", "", "", "", *means]])


def numbers_part(part):
    header, lines, _ = scores_table(part, 3, min)
    return table(header, lines)


def forecasts_part(part):
    """Lines of a table: for each set the network, then the others."""
    rows = []
    for name, models in part["tables"].items():
        for model, row in models.items():
            if model != "runs":
                shares = [row.get("inside"), row.get("calibrated")]
                shares = ["" if share is None else f"{100 * share:.0f} %" for share in shares]
                figures = [f"{row['smape']:.2f}", f"{row['mase']:.3f}", *shares]
                rows.append([name, model, *figures, number(row["seconds"])])
    return table(["set", "model", "sMAPE", "MASE", "inside", "calibrated", "seconds"], rows)


def tagging_part(part):
    fits = part["fits"]
    own = [mean(fit[key] for fit in fits) for key in ("accuracy", "seconds")]
    rows = [
        ["most frequent tag of each word", f"{part['baseline']:.4f}", ""],
        [f"RNNTagger, mean of {len(fits)} seeds", f"{own[0]:.4f}", number(own[1])],
    ]
    return table(["", "accuracy", "seconds"], rows)


def names_part(part):
    rows = []
    for name, fits in part["results"].items():
        accuracy, f1, seconds = (mean(fit[key] for fit in fits) for key in fits[0])
        seeds = f", mean of {len(fits)} seeds" if len(fits) > 1 else ""
        rows.append([name + seeds, f"{accuracy:.4f}", f"{f1:.4f}", number(seconds)])
    return table(["", "accuracy", "macro F1", "seconds"], rows)


TABLES = {
    "choose": classes_part,
    "report": classes_part,
    "numbers": numbers_part,
    "forecasts": forecasts_part,
    "tagging": tagging_part,
    "names": names_part,
}


def facts_of(part):
    """What the text of a part says of its figures."""
    facts = dict(part)
    if "rows" in part:
        facts |= {"n": len(part["rows"]), "seeds": len(part["rows"][0]["fastrnn"])}
    if "tables" in part:
        facts["seeds"] = len(next(iter(part["tables"].values()))["runs"])
    return facts


def render(parts):
    """Return the page of the parts."""
    lines = [HEAD]
    for name, text in PARTS.items():
        if name in parts:
            part = {**parts[name], "vote": parts.get(name + VOTE)}
            lines += [text.format(**facts_of(part)), *TABLES[name](part)]
    lines += ["## Machine", ""]
    machines = {}
    for name in (*PARTS, *VOTES):
        if name in parts:
            machine = parts[name]["machine"]
            versions = ", ".join(f"{key} {value}" for key, value in machine["versions"].items())
            machines.setdefault((machine["cpu"], versions), []).append(name)
    for (cpu, versions), names in machines.items():
        lines.append(f"- {', '.join(names)}: {cpu}; {versions}")
    text = "\n".join(lines) + "\n"
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("figures", type=Path, help="the JSON file of all parts, which is changed")
    for name in (*PARTS, *VOTES):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, metavar="FILE", type=Path, help="figures of this part")
    arguments = parser.parse_args()
    file, parts = arguments.figures, {}
    if file.exists():
        parts = json.loads(file.read_text(encoding="utf-8"))
    for name in (*PARTS, *VOTES):
        if part := getattr(arguments, name):
            parts[name] = json.loads(part.read_text(encoding="utf-8"))
    save(file, **parts)
    file.with_suffix(".md").write_text(render(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
