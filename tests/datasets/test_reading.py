"""What `fastrnn.datasets.read_...` give: sequences, and labels or numbers."""

import gzip
from datetime import datetime

import numpy as np
import pytest

from fastrnn import datasets
from fastrnn.inputs.sequences import as_sequences


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(text, name="d.csv"):
        path = tmp_path / name
        data = text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def test_csv(write):
    path = write("id;time;x;y;label\nb;2;0,5;1;01\na;1;1,5;2;02\nb;3;2,5;;01\n")
    X, y = datasets.read_csv(path)
    np.testing.assert_array_equal(X[0], [[0.5, 1], [2.5, np.nan]])
    np.testing.assert_array_equal(X[1], [[1.5, 2]])
    assert y.tolist() == ["01", "02"]
    X, y = datasets.read_csv(path, features=["y", "3"])
    np.testing.assert_array_equal(X[1], [[2, 1.5]])
    X, y = datasets.read_csv(path, target="x", label=None, features=["y"], per_step=True)
    np.testing.assert_array_equal(y[0], [0.5, 2.5])
    with pytest.raises(ValueError, match=r"line 4, column 'x': 2.5 of 'b' was 0.5 in line 2"):
        datasets.read_csv(path, target="x", features=["y"])
    with pytest.raises(ValueError, match="not both"):
        datasets.read_csv(path, target="x", label="label")


def test_text_and_numbers(write):
    X, y = datasets.read_sequences(write("id,w,n,target,t2\na,so,1,0.5,1\na,it,2,0.5,1\n"))
    assert X[0]["w"].tolist() == ["so", "it"] and X[0]["n"].tolist() == [1, 2]
    np.testing.assert_array_equal(y, [0.5])
    _, y = datasets.read_sequences(write("id,w,a,b\nx,1,2,3\n"), target=["a", "b"])
    np.testing.assert_array_equal(y, [[2, 3]])
    X, y = datasets.read_sequences(write("id,w\nx,1\n"))
    assert y is None and X[0].tolist() == [[1]]


@pytest.mark.parametrize("zone", ["", "+01:00"])
def test_times_among_the_features(write, zone):
    moments = ["2024-01-01T00:00", "2024-01-02T12:00"]
    path = write(
        "id,time,x\n" + "".join(f"a,{moment}{zone},{k}\n" for k, moment in enumerate(moments))
    )
    X, _ = datasets.read_csv(path)
    assert X[0].tolist() == [[0], [1]]
    X, _ = datasets.read_csv(path, features=["time", "x"])
    assert list(X[0]) == ["time", "x"] and X[0]["x"].tolist() == [0, 1]
    wanted = [datetime.fromisoformat(moment + zone) for moment in moments]
    assert X[0]["time"].tolist() == wanted
    assert (X[0]["time"].dtype == object) == bool(zone)
    read = as_sequences(X, time_feature="time").times
    assert read.numbers.tolist() == [0, 36 * 3600] and read.is_date
    X, _ = datasets.read_csv(write("id,time,x\na,3,1\na,5,2\n"), features=["time", "x"])
    assert X[0].tolist() == [[3, 1], [5, 2]]


def test_times_of_a_zone(write):
    path = write("id,time,x\na,2024-03-30T00:00,1\na,2024-04-01T00:00,2\n")
    X, _ = datasets.read_csv(path, features=["time"], time_zone="Europe/Berlin")
    assert [time.isoformat() for time in X[0]["time"]] == [
        "2024-03-30T00:00:00+01:00", "2024-04-01T00:00:00+02:00",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="the zone 'Berlin' of time stamps is not known here"):
        datasets.read_csv(path, time_zone="Berlin")
    with pytest.raises(TypeError, match="time_zone must be the name of a zone, got 2"):
        datasets.read_csv(path, time_zone=2)


def test_labels_of_steps(write):
    text = "id,x,label\na,1,7\na,2,\nb,3,8\n"
    X, y = datasets.read_csv(write(text), per_step=True)
    assert [part.tolist() for part in y] == [[7, None], [8]]
    X, y = datasets.read_conll(write("EU B\nsaid O\n\nRome B\n", "d.txt"))
    assert [x["token"].tolist() for x in X] == [["EU", "said"], ["Rome"]]
    assert [part.tolist() for part in y] == [["B", "O"], ["B"]]
    X, y = datasets.read_json(write('{"x": [1, 2], "label": ["p", "q"]}\n', "d.jsonl.gz"))
    assert [part.tolist() for part in y] == [["p", "q"]]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        ("read_ucr", "p\t1\t2\nq\t3\n"),
        ("read_ts", "@classLabel true p q\n@data\n1,2:p\n3:q\n"),
        ("read_json", '{"x": [1, 2], "label": "p"}\n{"x": [3], "label": "q"}\n'),
        ("read_csv", "id,x,label\na,1,p\na,2,p\nb,3,q\n"),
    ],
)
def test_formats(write, read, text):
    X, y = getattr(datasets, read)(write(text, "data"))
    assert [x.tolist() for x in X] == [[[1], [2]], [[3]]]
    assert y.tolist() == ["p", "q"]


def test_parquet_and_arff(write, tmp_path):
    path = write("@relation r\n@attribute a real\n@attribute y {p,q}\n@data\n1,p\n3,q\n", "d.arff")
    assert datasets.read_arff(path)[1].tolist() == ["p", "q"]
    polars = pytest.importorskip("polars")
    polars.DataFrame({"x": [[1, 2], [3]], "label": ["p", "q"]}).write_parquet(tmp_path / "d")
    X, y = datasets.read_parquet(tmp_path / "d")
    assert [x.tolist() for x in X] == [[[1], [2]], [[3]]] and y.tolist() == ["p", "q"]


def test_conllu_by_name(write):
    line = "\t".join(["1", "in", "in", "ADP", *"______"]) + "\n"
    X, y = datasets.read_conll(write(line, "d.conllu"), features=["form"], label="upos")
    assert X[0]["form"].tolist() == ["in"] and y[0].tolist() == ["ADP"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "xls"}, "format must be one of 'csv', .* got 'xls'"),
        ({"decimal": ";"}, "decimal must be '.' or ',', got ';'"),
        ({"delimiter": ", "}, "delimiter must be a single character, got ', '"),
        ({"quote": ""}, "quote must be a single character, got ''"),
        ({"id": "nobody"}, "no column 'nobody'"),
        ({"features": ["z"]}, "no column 'z'"),
        ({"features": []}, "no columns of features"),
    ],
)
def test_wrong_options(write, options, message):
    with pytest.raises(ValueError, match=message):
        datasets.read_sequences(write("id,x\na,1\n"), **options)


def test_no_ids(write):
    with pytest.raises(ValueError, match="has no column 'id'"):
        datasets.read_csv(write("x,label\n1,a\n"))
    X, y = datasets.read_csv(write("x,label\n1,a\n2,b\n"), per_step=True)
    assert len(X) == 1 and y[0].tolist() == ["a", "b"]


def test_form_options(write):
    path = write("id|t|x\na|02.03.2024|?\na|01.04.2024|'1'\n")
    X, _ = datasets.read_csv(
        path, delimiter="|", time="t", time_format="%d.%m.%Y", na_values="?", quote="'", sort=True
    )
    np.testing.assert_array_equal(X[0], [[np.nan], [1]])
    with pytest.raises(ValueError, match=r"give time_format='%d.%m.%Y' or time_format="):
        datasets.read_csv(path, time="t")


def test_empty(write):
    with pytest.raises(ValueError, match=r"d\.csv is empty"):
        datasets.read_csv(write(""))
    with pytest.raises(ValueError, match=r"d\.csv has no rows"):
        datasets.read_csv(write("id,x\n"))
