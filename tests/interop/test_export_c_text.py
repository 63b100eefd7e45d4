"""C export: the text that is written, its labels and names, and the files.

Without a compiler the tests that compile are skipped.
"""

import ctypes
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compiling import (
    STRICT,
    Compiled,
    classifier,
    find,
    make_sequences,
    make_series,
    run,
    tagger,
)
from contract import plain_forecaster
from every_cell import CHOICES
from test_docs import assert_as_shown

import fastrnn
from fastrnn import RNNLanguageModel, RNNTagger
from fastrnn.bridge import NotFittedError
from fastrnn.interop import export_c
from fastrnn.interop.c_text import Text

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

PAGE = Path(__file__).parents[2] / "docs" / "export-c.md"


# The runtime.


RUNTIME = Path(export_c.__globals__["__file__"]).with_name("runtime")
PIECES = sorted(path.relative_to(RUNTIME).as_posix() for path in RUNTIME.rglob("*.[ch]"))


@pytest.mark.parametrize("compiler_name", ["gcc", "clang"])
def test_the_runtime_is_c_as_it_stands(compiler_name):
    assert {"runtime.c", "functions.h", "series.h", "cells/lstm.h"} <= set(PIECES)
    # What is not used by itself is used by what includes it, or by an export.
    for piece in PIECES:
        flags = "-Wno-unused -x c -fsyntax-only"
        assert run(f"{find(compiler_name)} {STRICT} {flags} {piece}", RUNTIME) == ""


# Labels.


STRINGS = [
    'say "hi"', "back\\slash", "line\nend\r\t", "what??/", "??=??)", "*/ end", "%d %s", "Grüße",
    "日本\U0001f600", "\x7f\x01", "'", "9\x017", "", "trailing ",
]  # fmt: skip


@pytest.mark.parametrize("flags", ["", "-trigraphs"])
def test_strings(flags, tmp_path, compiler):
    X = make_sequences(len(STRINGS))
    model = classifier(STRINGS, X, hidden_layer_sizes=2)
    compiled = Compiled(model, tmp_path, compiler, flags)
    labels = (ctypes.c_char_p * len(STRINGS)).in_dll(compiled.library, "model_classes")
    assert [label.decode("utf-8") for label in labels] == model.classes_.tolist()
    assert sorted(label.decode("utf-8") for label in labels) == sorted(STRINGS)


def test_bytes(tmp_path, compiler):
    compiled = Compiled(classifier([b"a", b"\xff?"]), tmp_path, compiler)
    labels = (ctypes.c_char_p * 2).in_dll(compiled.library, "model_classes")
    assert list(labels) == [b"a", b"\xff?"]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([3, -4, 0], ctypes.c_longlong),
        ([-(2**63), 2**63 - 1], ctypes.c_longlong),
        ([False, True], ctypes.c_longlong),
        ([1.0, -2.0, 1e300], ctypes.c_double),
    ],
)
def test_numbers(labels, kind, tmp_path, compiler):
    compiled = Compiled(classifier(labels), tmp_path, compiler)
    written = (kind * len(labels)).in_dll(compiled.library, "model_classes")
    assert list(written) == sorted(labels)


@pytest.mark.parametrize("label", ["a\x00b", "\ud800", "x" * 4096])
def test_strings_that_c_cannot_have(label, tmp_path):
    model = classifier(["a", "b"])
    model.task_ = replace(model.task_, classes=np.array(["a", label], dtype=object))
    with pytest.raises(ValueError, match=r"the class label .* does not fit into a string of C"):
        export_c(model, tmp_path / "model.c")
    assert not any(tmp_path.iterdir())


def test_numbers_that_c_cannot_have(tmp_path):
    with pytest.raises(ValueError, match="does not fit into a number of C, of 64 bits"):
        export_c(classifier(np.array([1, 2**63], dtype=np.uint64)), tmp_path / "model.c")


# The text.


def written(model, folder, **options):
    export_c(model, folder / "model.c", **options)
    return [(folder / name).read_bytes() for name in ("model.c", "model.h")]


MODELS = [
    classifier,
    lambda: classifier(dtype="float64", cell="rnn", pooling="mean"),
    lambda: tagger(cell="gru"),
    lambda: RNNLanguageModel(3, max_iter=1, random_state=0).fit(["ab", "ba"]),
    lambda: plain_forecaster(3, seasonality=4, max_iter=1, random_state=0).fit(make_series()),
]


@pytest.mark.parametrize("make", MODELS)
def test_the_text_is_always_the_same(make, tmp_path):
    model = make()
    texts = written(model, tmp_path)
    assert texts == written(make(), tmp_path)
    for text in texts:
        kind = type(model).__name__
        assert f"{kind}, written by fastrnn {fastrnn.__version__}".encode() in text
        assert text.isascii() and not set(b"\r\t$") & set(text) and b"\n%" not in text
        assert b"\n\n\n" not in text and b" \n" not in text
        assert text.endswith(b"\n") and not text.endswith(b"\n\n")
        assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("make", MODELS)
def test_a_loaded_model_gives_the_same_text(make, tmp_path):
    model = make()
    model.save(tmp_path / "saved")
    assert written(fastrnn.load(tmp_path / "saved"), tmp_path) == written(model, tmp_path)


def test_weights_are_exact(tmp_path):
    model = classifier(cell="gru", hidden_layer_sizes=4, conv=None)
    theta = model.network_.theta
    theta[:7] = [0.0, -0.0, 2**-149, 3.4e38, 1 / 3, -(2**-126), 1]
    (source, _) = written(model, tmp_path)
    arrays = dict(re.findall(r"float (\w+)\[[^]]+\] = \{(.*?)\}", source.decode(), re.DOTALL))
    names = {"W1": "W", "U1": "U", "b1": "b", "b_n1": "b_n"}
    (layer,) = model.network_.layers
    params = {name: layer.params[key] for name, key in names.items()}
    params |= {"Wy": model.network_.head.params["W"], "by": model.network_.head.params["b"]}
    assert arrays.keys() == params.keys()
    for name, numbers in arrays.items():
        values = np.array(
            [float.fromhex(number.strip().rstrip("f")) for number in numbers.split(",")[:-1]],
            dtype=np.float32,
        )
        assert values.tobytes() == params[name].tobytes(), name
        assert ".p" not in numbers and "0p" not in numbers.replace("x0p", "")  # no idle digits


def test_only_mathematics_is_linked(tmp_path, compiler):
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    export_c(tagger(), tmp_path / "model.c")
    run(f"{compiler} -std=c99 -O2 -c model.c", tmp_path)
    needed = set(run("nm --undefined-only --format=just-symbols model.o", tmp_path).split())
    needed -= {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
    # Compilers call these two for loops and for struct assignments, without any library.
    assert needed - {"memcpy", "memset"} == {"expf", "tanhf"}


def test_prefix_and_names(tmp_path, compiler):
    a, b = classifier(), tagger()
    export_c(a, tmp_path / "first model.c", prefix="one")
    export_c(b, str(tmp_path / "second.c"))
    (tmp_path / "main.c").write_text(
        '#include "first model.h"\n#include "second.h"\n#include "second.h"\n'
        "int main(void)\n{\n    one_stream s;\n    second_stream t;\n\n"
        "    one_init(&s);\n    second_init(&t);\n"
        "    return ONE_N_OUTPUTS == 3 && SECOND_N_OUTPUTS == 4 ? 0 : 1;\n}\n"
    )
    run(f"{compiler} {STRICT} 'first model.c' second.c main.c -lm -o main", tmp_path)
    run("./main", tmp_path)


@pytest.mark.parametrize("prefix", ["rnn", "lstm", "gru", "carry_lstm", "step", "run", "layer"])
def test_prefixes_that_the_runtime_might_use(prefix, tmp_path, compiler):
    export_c(classifier(cell=prefix if prefix in CHOICES else "lstm"), tmp_path / f"{prefix}.c")
    run(f"{compiler} {STRICT} -fsyntax-only {prefix}.c", tmp_path)


def test_cplusplus(tmp_path):
    export_c(classifier(), tmp_path / "model.c")
    (tmp_path / "main.cpp").write_text(
        '#include "model.h"\n#include <cstdio>\n'
        "int main()\n{\n    model_stream stream;\n    float x[MODEL_N_FEATURES] = {1, 2, 3};\n"
        "    float y[MODEL_N_OUTPUTS];\n\n    model_init(&stream);\n"
        '    std::printf("%d %s", model_step(&stream, x, y), model_classes[0]);\n}\n'
    )
    run(f"{find('gcc')} {STRICT} -c model.c", tmp_path)
    run(
        f"{find('g++')} -std=c++11 -pedantic -Wall -Wextra -Werror main.cpp model.o -o main",
        tmp_path,
    )
    assert run("./main", tmp_path) == "0 a"


# What is refused.


class Impostor:
    """Has what is asked for first, and is nothing of ours."""

    network_ = None


def test_only_fitted_estimators(tmp_path):
    with pytest.raises(NotFittedError, match="RNNTagger instance is not fitted"):
        export_c(RNNTagger(), tmp_path / "model.c")
    with pytest.raises(TypeError, match="est must be an estimator of fastrnn, got Impostor"):
        export_c(Impostor(), tmp_path / "model.c")
    assert not any(tmp_path.iterdir())


def test_bidirectional_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is bidirectional: it has no output before the end"):
        export_c(classifier(bidirectional=True), tmp_path / "model.c")


def test_weights_that_do_not_fit(tmp_path):
    model = classifier(dtype="float64")
    model.network_.theta[3] = 1e39
    with pytest.raises(ValueError, match="weights that do not fit into a float"):
        export_c(model, tmp_path / "model.c")


@pytest.mark.parametrize("prefix", ["", "1a", "_a", "a_", "a__b", "a-b", "a b", "é", "a;", "a\n"])
def test_prefixes_that_are_refused(prefix, tmp_path):
    with pytest.raises(ValueError, match="prefix must be letters, digits and single underscores"):
        export_c(classifier(), tmp_path / "model.c", prefix=prefix)
    assert not any(tmp_path.iterdir())


def test_names_that_are_refused(tmp_path):
    with pytest.raises(TypeError, match="prefix must be a string or None, got 3"):
        export_c(classifier(), tmp_path / "model.c", prefix=3)
    with pytest.raises(ValueError, match=r"cannot begin with that of the file, 'my-model'.*prefix"):
        export_c(classifier(), tmp_path / "my-model.c")
    export_c(classifier(), tmp_path / "my-model.c", prefix="m")
    for name in ("model", "model.h", "model.cpp", ".c"):
        with pytest.raises(ValueError, match=r"path must end in '\.c'"):
            export_c(classifier(), tmp_path / name)
    for name in ('a".c', "a\nb.c", "a\\b.c", "é.c", "a??b.c", " a.c"):
        with pytest.raises(ValueError, match="the file's name goes into an #include"):
            export_c(classifier(), tmp_path / name, prefix="a")


# Files.


def test_a_failing_export_leaves_older_files(tmp_path, monkeypatch):
    before = written(classifier(), tmp_path)

    def full_disk(*_):
        yield "static const float"
        raise OSError("No space left on device")

    monkeypatch.setattr(Text, "source", full_disk)
    with pytest.raises(OSError, match="No space left"):
        export_c(tagger(), tmp_path / "model.c")
    assert [(tmp_path / name).read_bytes() for name in ("model.c", "model.h")] == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "model.h").mkdir()
    with pytest.raises(IsADirectoryError, match=r"model\.h"):
        export_c(classifier(), tmp_path / "model.c")
    assert [path.name for path in tmp_path.iterdir()] == ["model.h"]
    with pytest.raises(FileNotFoundError):
        export_c(classifier(), tmp_path / "nowhere" / "model.c")


# The page.


def test_the_page(tmp_path, compiler, monkeypatch):
    if not PAGE.exists():
        pytest.skip("the documents are in the source tree only")
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    kinds = [kind for kind, _ in blocks]
    # What comes behind them test_docs runs.
    assert kinds == ["python", "c", "console", "python", "text"], "a block is not run"
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks[0][1], str(PAGE), "exec"), {})
    (tmp_path / "main.c").write_text(blocks[1][1])
    command, shown = [], []
    for line in blocks[2][1].splitlines():
        if line.startswith("$ "):
            command.append(line[2:])
        else:
            shown.append(line)
    assert command[0].startswith("cc ")
    command[0] = command[0].replace("cc ", f"{compiler} {STRICT} ", 1)
    said = [subprocess.check_output(line, shell=True, text=True) for line in command]
    assert_as_shown("".join(said), "\n".join(shown) + "\n")
