"""Formats with a line for each token or each sequence: CoNLL, JSON, UCR, .ts, ARFF."""

import numpy as np
import pytest

from fastrnn.datasets.form import Form
from fastrnn.datasets.formats import FORMATS, find_format
from fastrnn.datasets.sources import Source


def read(text, format, **form):
    data = text if isinstance(text, bytes) else text.encode()
    return FORMATS[format](Source(data, "d", "d"), Form(**form, of_command=True))


def error_of(text, format, **form):
    with pytest.raises(ValueError) as error:
        read(text, format, **form)
    return str(error.value)


@pytest.mark.parametrize(
    ("file", "text", "format"),
    [
        ("d.csv", "@relation x", "csv"),
        ("d.CSV", "a\tb", "csv"),
        ("d.tsv", "id\tx\n1\t2\n", "csv"),
        ("d.tsv", "1\t2.5\t3\n", "ucr"),
        ("d.tsv", "1\t2.5\tNaN\n", "ucr"),
        ("d.tsv", "a\t2.5\tNaN\n", "csv"),
        ("d.jsonl", "", "json"),
        ("d.ndjson", "", "json"),
        ("d.json", "", "json"),
        ("d.conll", "", "conll"),
        ("d.conllu", "", "conllu"),
        ("d.iob2", "", "conll"),
        ("d.ts", "", "ts"),
        ("d.arff", "", "arff"),
        ("d.tsf", "", "tsf"),
        ("standard input", "# c\n@relation x\n@attribute a string\n@frequency daily\n", "tsf"),
        ("d.pq", "", "parquet"),
        ("standard input", '{"x": 1}\n', "json"),
        ("standard input", '[{"x": 1}]\n', "json"),
        ("standard input", "% c\n@RELATION x\n", "arff"),
        ("standard input", "#c\n@problemName x\n", "ts"),
        ("d.txt", "id,x\n", "csv"),
    ],
)
def test_the_format_is_found(file, text, format):
    assert find_format(Source(text.encode(), file, file), Form()) == format


CONLL = "-DOCSTART- -X- O\n\nEU NNP B-ORG\nnan NN O\n\n\n1990 CD O\n# NN O\n\n"


def test_conll():
    rows = read(CONLL, "conll")
    assert list(rows.columns) == ["token", "column_2", "label", "id"]
    assert rows.numbers_or_text("token").tolist() == ["EU", "nan", "1990", "#"]
    assert rows.labels("label", gaps=True) == ["B-ORG", "O", "O", "O"]
    assert {key: list(of) for key, of in rows.by_id("id").items()} == {"1": [0, 1], "2": [2, 3]}
    assert rows.usual_features({"label"}) == ["token", "column_2"]
    assert rows.place(2, "token") == "d, line 7, column 'token'"


@pytest.mark.parametrize(
    ("text", "tokens", "form"),
    [
        ("# sent_id = 1\n# text = a b\na\tX\nb c\tY\n\n#tag\tX\n", ["a", "b c", "#tag"], {}),
        ("a  X\nb\t Y\n", ["a", "b"], {"delimiter": " "}),
        ("a b|X\n", ["a b"], {"delimiter": "|"}),
        ("a\xa0b X\r\n\r\nc X\r\n", ["a\xa0b", "c"], {}),
        ("a\nb\n", ["a", "b"], {}),
        ("NA X\n- X\n", ["NA", "-"], {}),
    ],
)
def test_tokens(text, tokens, form):
    assert read(text, "conll", **form).text("token").tolist() == tokens


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a X\nb\n", "d, line 2 has 1 cells, expected 2 as in line 1"),
        ("# c\n\na X\n\nb c X\n", "d, line 5 has 3 cells, expected 2 as in line 3"),
        ("# only\n\n", "d has no tokens"),
    ],
)
def test_faults_of_conll(text, message):
    assert error_of(text, "conll") == message


def test_conllu():
    token = "{}\t{}\tl\tU\t_\t_\t0\troot\t_\t_\n"
    text = "# text = im\n1-2\tim\t_\t_\t_\t_\t_\t_\t_\t_\n" + token.format(1, "in")
    text += token.format(2, "dem") + token.format("2.1", "left") + "\n" + token.format(1, "ja")
    rows = read(text, "conllu")
    assert rows.text("form").tolist() == ["in", "dem", "ja"]
    assert rows.labels("upos") == ["U"] * 3
    assert list(rows.by_id("id")) == ["1", "2"]
    assert "line 1 has 1 cells, expected 10 of CoNLL-U" in error_of("a X\n", "conllu")


def test_json_lines():
    rows = read(
        '{"id": "a", "x": 1.10, "y": 1e3, "ok": true}\n\n{"id": "a", "x": 2, "y": 1, "ok": false}\n'
        '{"id": "b", "y": 12345678901234567890, "x": null, "z": "1"}\n',
        "json",
    )
    assert rows.labels("y") == ["1e3", "1", "12345678901234567890"]
    np.testing.assert_array_equal(rows.numbers("x", gaps=True), [1.1, 2, np.nan])
    assert {type(label) for label in rows.labels("y")} == {str}  # as model files have them
    assert rows.labels("ok", gaps=True) == ["true", "false", None]
    np.testing.assert_array_equal(rows.numbers_or_text("ok", gaps=True), [1, 0, np.nan])
    assert rows.labels("z", gaps=True) == [None, None, 1]
    with pytest.raises(ValueError, match="d, line 4, column 'x': expected a number, got an empty"):
        rows.numbers("x")


def test_json_lists():
    text = '[{"tokens": ["in", "1990", "it", "is"], "tags": ["O", "N", "O", "O"]},\n' \
           ' {"tokens": ["7"], "tags": [null]}]'  # fmt: skip
    rows = read(text, "json")
    assert rows.numbers_or_text("tokens").tolist() == ["in", "1990", "it", "is", "7"]
    assert rows.labels("tags", gaps=True) == ["O", "N", "O", "O", None]
    assert rows.place(2, "tokens") == "d, row 1, step 3, column 'tokens'"
    rows = read('{"x": [[1, 2], [3, 4]], "label": "a"}\n{"x": [[5, 6]], "label": "b"}\n', "json")
    np.testing.assert_array_equal(rows.numbers_or_text("x_2"), [2, 4, 6])
    assert rows.labels("label") == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"x": 1}\n{"x": }\n', "d, line 2 is no JSON: Expecting value, at 7"),
        ('[{"x": 1},\n{"x": }]\n', "d, line 2 is no JSON: Expecting value, at 7"),
        ("{}\n[1]\n", "d, line 2: expected an object of JSON, got '[1]'"),
        ('[{"x": 1}, 2]', "d, row 2: expected an object, got '2'"),
        ('{"x": 1, "x": 2}\n', "d, line 1 has the name 'x' twice"),
        (
            '{"x": 1}\n{"x": {"y": 2}}\n',
            "d, line 2, column 'x': expected a number, text, a time or a list,",
        ),
        ('{"x": [1]}\n{"x": 2}\n', "d, line 2, column 'x': expected a list as in other rows, got"),
        ('{"x": [1, 2], "y": [1]}\n', "d, line 1, column 'y': expected 2 steps as in column 'x'"),
        ('{"x": [1]}\n{"x": []}\n', "d, line 2, column 'x': the sequence has no steps"),
        ('{"x": [1]}\n{"x": null}\n', "d, line 2, column 'x': the sequence has no steps"),
        (
            '{"x": [[1, 2], 3]}\n',
            "d, line 1, step 2, column 'x': expected 2 numbers as in the first",
        ),
    ],
)
def test_faults_of_json(text, message):
    assert error_of(text, "json").startswith(message)


def sequences(rows, column="value"):
    return [rows.numbers(column, gaps=True)[of].tolist() for of in rows.by_id("id").values()]


def labels(rows, column="label"):
    cells = rows.labels(column)
    return [cells[of[0]] for of in rows.by_id("id").values()]


def test_ucr():
    rows = read("01\t0.5\t1\n02\t2\tNaN\n\n01\tNaN\t3\n", "ucr")
    assert sequences(rows)[:2] == [[0.5, 1], [2]]
    np.testing.assert_array_equal(sequences(rows)[2], [np.nan, 3])
    assert labels(rows) == ["01", "02", "01"]
    assert rows.place(2, "value") == "d, line 2, step 1, column 'value'"


@pytest.mark.parametrize(
    ("text", "form", "values"),
    [
        ("a,1,2\n", {}, [1, 2]),
        ("a;0,5;2\n", {}, [0.5, 2]),
        ("a;1,500;2\n", {"decimal": ","}, [1.5, 2]),
        ("  1.0000e+00   5.0e-01  2.0\n", {}, [0.5, 2]),
        ("a\t1\t?\t2\n", {"na_values": ("?",)}, [1, np.nan, 2]),
        ("a\t1\t-9\n", {"na_values": ("-9",)}, [1]),
    ],
)
def test_tables_as_ucr(text, form, values):
    np.testing.assert_array_equal(sequences(read(text, "ucr", **form))[0], values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t2\n1\tx\n", "d, line 2, column 2: expected a number, got 'x'; each line has a label"),
        ("1\t2\n1\t\t3\n1\tNaN\n", "d, line 3 has no number after its label, '1'"),
        ("label\t0\t1\n1\t5\t6\n2\t7\t8\n", "d, line 1 has names of columns, expected the label"),
    ],
)
def test_faults_of_ucr(text, message):
    assert error_of(text, "ucr").startswith(message)


TS = "#c\n@problemName g\n@univariate true\n@classLabel true a b 01\n@data\n"


def test_ts_of_unequal_lengths_and_missing_values():
    rows = read(TS + "1,2,3:a\n4,?:b\n5:01\n", "ts")
    np.testing.assert_array_equal(rows.numbers("value", gaps=True), [1, 2, 3, 4, np.nan, 5])
    assert [len(x) for x in sequences(rows)] == [3, 2, 1]
    assert labels(rows) == ["a", "b", "01"]
    with pytest.raises(ValueError, match="d, line 7, step 2, column 'value': expected a number"):
        rows.numbers("value")


def test_ts_of_several_dimensions():
    rows = read(TS + "1,2:3,4:a\n5:6:b\n", "ts")
    assert sequences(rows, "value_2") == [[3, 4], [6]]
    rows = read(TS.replace("@classLabel true a b 01", "@targetlabel true") + "1,2:0.5\n", "ts")
    assert rows.numbers("target").tolist() == [0.5, 0.5]
    assert sequences(read(TS.replace("true a b 01", "false") + "1,2:3,4\n", "ts"), "value_1")


def test_ts_with_time_stamps():
    header = TS.replace("@data", "@timestamps true\n@data")
    day = "2024-01-0{} 10:30:00"
    pairs = ",".join(f"({day.format(k)},{k}.5)" for k in (1, 2))
    rows = read(header + f"{pairs}:{pairs}:a\n", "ts")
    assert sequences(rows, "value_2") == [[1.5, 2.5]]
    assert rows.times("time").values[1] == np.datetime64("2024-01-02T10:30")
    assert read(header + "(1,2),(3,4):b\n", "ts").times("time").values.tolist() == [1, 3]
    message = error_of(header + "(1,2),3:b\n", "ts")
    assert message == "d, line 7, dimension 1: expected pairs (time,value), got '3'"
    assert "dimension 2 has other time stamps" in error_of(header + "(1,2):(2,2):b\n", "ts")
    assert "dimension 1, step 2: expected a number" in error_of(
        header + "(1,2),(x,2),(3,1):b\n", "ts"
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "1,x:a\n",
            "d, line 6, dimension 1, step 2: expected a number or ? for one that is missing",
        ),
        ("1,2:c\n", "d, line 6: expected a label of @classLabel, 'a', 'b', '01', got 'c'"),
        ("1,2:\n", "d, line 6: the label is missing"),
        ("1,2\n", "d, line 6: expected a colon and a label at the end, got '1,2'"),
        ("1,2:3:a\n", "d, line 6: dimension 2 has 1 steps, expected 2 as dimension 1 has"),
        ("1:3:a\n1:a\n", "d, line 7 has 1 dimensions, expected 2 as in line 6"),
        ("", "d has no cases after @data"),
    ],
)
def test_faults_of_ts(lines, message):
    assert error_of(TS + lines, "ts").startswith(message)


def test_faults_of_the_header_of_ts():
    assert error_of("1,2:a\n", "ts") == "d, line 1: expected a word such as @data, got '1,2:a'"
    assert error_of("@univariate true\n", "ts") == "d has no line @data"
    assert "line 1: expected true or false" in error_of("@classLabel a b\n@data\n", "ts")


ARFF = (
    "% c\n@RELATION g\n@attribute a numeric\n@attribute 'b b' REAL\n@attribute c {1,'x y'}\n@data\n"
)


def test_arff():
    rows = read(ARFF + "1,2,1\n\n3,?,'x y'\n", "arff")
    np.testing.assert_array_equal(rows.numbers("value", gaps=True), [1, 2, 3, np.nan])
    assert labels(rows) == ["1", "x y"]
    assert rows.place(3) == "d, line 9, step 2"
    rows = read(ARFF.replace("{1,'x y'}", "numeric") + "1,2,0.5\n", "arff")
    assert sequences(rows) == [[1, 2]] and rows.numbers("target").tolist() == [0.5, 0.5]


def test_sparse_arff():
    rows = read(ARFF + "{1\t2.5}\n{0 1, 2 'x y'}\n{ }\n1,2,1\n{0 ?}\n{}\n", "arff")
    expected = [[0, 2.5], [1, 0], [0, 0], [1, 2], [np.nan, 0], [0, 0]]
    np.testing.assert_array_equal(rows.numbers("value", gaps=True), np.ravel(expected))
    assert labels(rows) == ["1", "x y", "1", "1", "1", "1"]
    text = "@relation g\n@attribute id string\n@attribute x numeric\n@data\n"
    assert read(text + "{0 '}, 1', 1 2}\n", "arff").text("id").tolist() == ["}, 1"]
    message = "d, line 5 leaves out the attribute 'id', which is of type string"
    assert error_of(text + "{1 2}\n", "arff").startswith(message)


def test_arff_of_relations():
    columns = "@attribute t0 numeric\n@attribute t1 numeric\n"
    header = f"@relation g\n@attribute r relational\n{columns}@end r\n"
    header += "@attribute class {a,b}\n@data\n"
    rows = read(header + "'1,2\\n3,4',a\n\"5,?\\n7,8\",b\n", "arff")
    assert sequences(rows, "value_2") == [[3, 4], [7, 8]]
    np.testing.assert_array_equal(sequences(rows, "value_1")[1], [5, np.nan])
    assert labels(rows) == ["a", "b"]
    assert sequences(read(header + "'1,2,3',a\n", "arff")) == [[1, 2, 3]]
    message = error_of(header + "'1,2\\n3,4',a\n'5,6',b\n", "arff")
    assert message == "d, line 9, column 'r': expected 2 dimensions as in line 8"
    message = error_of(header + "'1,2\\n3',a\n", "arff")
    assert message == "d, line 8, column 'value_2': expected 2 steps as in column 'value_1', got 1"


def test_arff_in_long_form():
    text = "@relation g\n@attribute id string\n@attribute x numeric\n@attribute k {1,2}\n@data\n"
    rows = read(text + "'s 1',1,1\n's 1',2,2\nb,3,?\n", "arff")
    assert list(rows.by_id("id")) == ["s 1", "b"]
    assert rows.numbers_or_text("k", gaps=True).tolist() == ["1", "2", None]
    assert rows.numbers_or_text("x").tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("1,2\n", "d, line 7 has 2 cells, expected 3, one for each attribute"),
        ("1,x,1\n", "d, line 7, column 'b b': expected a number or ? for one that is missing, got"),
        ("1,2,3\n", "d, line 7, column 'c': expected one of '1', 'x y', got '3'"),
        ("{0 1\n", "d, line 7: expected {number value, ...}, got '{0 1'"),
        ("{0 1}, {5}\n", "d, line 7: expected {number value, ...}, got '{0 1}, {5}'"),
        ("{3 1}\n", "d, line 7: expected the number of an attribute, 0 to 2, and its value, got"),
        ("{a 1}\n", "d, line 7: expected the number of an attribute, 0 to 2, and its value, got"),
        ("{1}\n", "d, line 7: expected the number of an attribute, 0 to 2, and its value, got '1"),
        ("{0 1, 0 2}\n", "d, line 7 has the attribute 0 twice"),
        ("{0 x}\n", "d, line 7, column 'a': expected a number or ? for one that is missing, got"),
        ("{2 3}\n", "d, line 7, column 'c': expected one of '1', 'x y', got '3'"),
        ("", "d has no rows after @data"),
    ],
)
def test_faults_of_arff(lines, message):
    assert error_of(ARFF + lines, "arff").startswith(message)


def test_faults_of_the_header_of_arff():
    assert error_of("@relation g\n@attribute a numeric\n", "arff") == "d has no @data"
    assert error_of("@relation g\n@data\n1\n", "arff") == "d has no @attribute"
    assert "line 1: expected @attribute or @data, got 'a,b'" in error_of("a,b\n", "arff")
    text = "@relation g\n@attribute a {1}\n@attribute b string\n@attribute c real\n@data\n1,2,3\n"
    assert "attributes 'a', 'b', 'c'; expected numbers and a label" in error_of(text, "arff")
