"""The page of what the defaults learn: its tables say what the figures say."""

import json
import subprocess
import sys

import pytest
from bench_runs import ROOT, bench_path, needs_programs  # noqa: F401, fixtures

pytestmark = needs_programs

MACHINE = {"cpu": "a processor", "versions": {"numpy": "2"}}


@pytest.fixture
def how_good(bench_path):  # noqa: F811
    import how_good

    return how_good


def row(name, own, rocket, nearest=0.5, **more):
    figures = {"training": 30, "classes": 3, "steps": 128.0, "seconds": [1.0, 3.0]}
    others = {"constant": 0.25, "ridge": 0.5, "1-NN DTW": nearest, "MiniRocket": rocket}
    return {"set": name, "fastrnn": own, **figures, **others, **more}


def test_classes_have_means_and_the_best_in_bold(how_good):
    rows = [row("A", [0.8, 0.9], 0.9), row("B", [0.7, 0.7], 0.6, nearest=None)]
    text = how_good.render({"choose": {"machine": MACHINE, "rows": rows}})
    assert "| A | 3 | 30 | 128 | 0.850 | 0.250 | 0.500 | 0.500 | **0.900** | 2.00 |" in text
    assert "| B | 3 | 30 | 128 | **0.700** | 0.250 | 0.500 | - | 0.600 | 2.00 |" in text
    assert "| mean |  |  |  | **0.775** | 0.250 | 0.500 | - | 0.750 | 2.00 |" in text
    assert "means of 2 seeds" in text
    assert "- choose: a processor; numpy 2" in text
    assert "Regression" not in text


def test_models_that_vote_have_columns_of_their_own(how_good):
    rows = [row("A", [0.8, 0.9], 0.9), row("B", [0.7, 0.7], 0.6, nearest=None)]
    voting = [{"set": "B", "fastrnn": [0.8], "seconds": [8.0]}]
    voting.append({"set": "A", "fastrnn": [0.95, 0.97], "seconds": [9.0, 11.0]})
    vote = {"machine": MACHINE, "rows": voting, "members": 5}
    parts = {"report": {"machine": MACHINE, "rows": rows}, "report_vote": vote}
    text = how_good.render(parts)
    assert "| fastrnn | 5 of them | constant |" in text
    assert "| A | 3 | 30 | 128 | 0.850 | **0.960** | 0.250 |" in text
    assert "| 0.900 | 2.00 | 10.0 |" in text
    assert "| B | 3 | 30 | 128 | 0.700 | **0.800** | 0.250 |" in text
    assert "| mean |  |  |  | 0.775 | **0.880** | 0.250 | 0.500 | - | 0.750 | 2.00 | 9.00 |" in text
    assert "- report, report_vote: a processor" in text


def test_of_errors_the_lowest_is_the_best(how_good):
    rows = [row("A", [2.0], 1.5, steps=100.0)]
    text = how_good.render({"numbers": {"machine": MACHINE, "rows": rows}})
    assert "| A | 30 | 100 | 2.000 | **0.250** |" in text


def test_parts_take_the_place_of_older_ones_and_others_stay(how_good, tmp_path):
    page, new = tmp_path / "page.json", tmp_path / "new.json"
    fits = [{"accuracy": 0.9, "seconds": 5.0}, {"accuracy": 0.8, "seconds": 7.0}]
    tagging = {"machine": MACHINE, "words": [100, 10], "baseline": 0.7, "fits": fits}
    results = {"TF-IDF": [{"accuracy": 0.9, "macro F1": 0.8, "seconds": 1.0}]}
    names = {"machine": MACHINE, "names": [5, 4], "results": results}
    forecast = {"smape": 13.0, "mase": 0.8, "inside": 0.8, "seconds": 9.0}
    tables = {"M3": {"fastrnn": {**forecast, "calibrated": 0.79}, "runs": [forecast] * 3}}
    tables["M3"]["Theta"] = {**forecast, "inside": None}
    page.write_text(json.dumps({"tagging": tagging, "names": names}))
    new.write_text(json.dumps({"machine": MACHINE, "tables": tables}))
    command = [sys.executable, how_good.__file__, page, "--forecasts", new]
    subprocess.run(command, check=True, capture_output=True)
    assert json.loads(page.read_text()).keys() == {"tagging", "names", "forecasts"}
    text = page.with_suffix(".md").read_text(encoding="utf-8")
    assert "| RNNTagger, mean of 2 seeds | 0.8500 | 6.00 |" in text
    assert "| TF-IDF | 0.9000 | 0.8000 | 1.00 |" in text
    assert "| M3 | fastrnn | 13.00 | 0.800 | 80 % | 79 % | 9.00 |" in text
    assert "| M3 | Theta | 13.00 | 0.800 |  |  | 9.00 |" in text
    assert "means over series and 3 seeds" in text.replace("\n", " ")


def test_committed_page_is_that_of_the_committed_figures(how_good):
    figures = ROOT / "docs" / "how-good.json"
    committed = figures.with_suffix(".md").read_text(encoding="utf-8")
    parts = json.loads(figures.read_text(encoding="utf-8"))
    assert committed == how_good.render(parts), "run bench/how_good.py on the JSON file"
