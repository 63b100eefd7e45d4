"""The text of a model in C: its description, and the header that says how it is used."""

import numpy as np

from fastrnn import __version__
from fastrnn.inputs.scaling import COUNTS, LEAST_SPREAD, LOG1P, SHARE, USUAL_SPREAD
from fastrnn.interop.c_description import count
from fastrnn.interop.c_labels import label_functions, label_prototypes
from fastrnn.interop.c_literals import class_literals, rows_of, type_of
from fastrnn.network.pooling import parts_of

_SCALES = {
    "difference": (
        "the mean absolute difference of one value from the one before",
        "any value, best one of the last",
    ),
    "standard": ("the standard deviation of the values", "their mean"),
    "level": ("the mean absolute value", "0"),
    COUNTS: ("one more than the mean of the values", "0"),
    None: ("1", "0"),
}
"""What `fastrnn.inputs.scaling.learn_scale` learns, by name: factor and shift."""

_SPREADS = {
    True: "the mean absolute change of those logarithms from step to step, without season",
    False: "the mean absolute change from step to step, without season, by the mean absolute value",
}
_LOGS = {False: "value", True: "log(value)", LOG1P: "sign(value) log(1 + |value| / unit)"}

_PARTS = {"last": "last", "mean": "mean", "max": "maximum", "attention": "mean by attention"}
"""What is read of the states of a sequence."""


_STAGE = """
/* What stands before layer 1 makes rows of K numbers of windows of rows of D: kernel rows, left of
   them before the one that a row stands for, which are stride apart. A row is final when span rows
   have come from that one on; of depth rows it keeps a copy, from some place of the stream on. Of W
   there are kernel D rows; a patch has none. */
typedef struct {
    int D, K, kernel, left, stride, span, depth, place;
    matrix W;
    const float *b;
} stage_type;

"""


class Text:
    """The lines of a model in C.

    Parameters
    ----------
    code : Description
        What is exported.
    prefix : str
        What public names begin with.
    """

    def __init__(self, code, prefix):
        self._code, self._model, self._plan = code, code.model, code.model.plan
        self._prefix, self._PREFIX = prefix, prefix.upper()
        self._size = code.constants
        self._title = f"{code.model.kind}, written by fastrnn {__version__}."
        self._says_labels = code.model.answers == "label sequences"
        self._has_classes = self._says_labels or code.model.answers == "classes"

    def header(self):
        """Return the text of the header."""
        guard = f"{self._PREFIX}_H"
        parts = [
            self._header_begin(guard),
            self._sizes(),
            self._class_declaration(),
            self._scale_struct(),
            self._stream_struct(),
            self._prepare_prototypes(),
            self._step_prototype(),
            self._run_prototype(),
            self._label_prototypes(),
            f"#ifdef __cplusplus\n}}\n#endif\n\n#endif /* {guard} */\n",
        ]
        return "\n".join(part for part in parts if part)

    def _header_begin(self, guard):
        prefix = self._prefix
        return f"""\
/* {self._title}

   {prefix}_step reads a sequence step by step, as it comes; {prefix}_run reads a whole one.
   No memory is allocated, and nothing is kept but what stands in a stream: there may be any number
   of them, a copy of one goes on by itself, and threads may use different ones at the same time. */

#ifndef {guard}
#define {guard}

#include <stddef.h>

#ifdef __cplusplus
extern "C" {{
#endif
"""

    def _sizes(self):
        size, lines = self._size, []
        if size["N_FEATURES"]:
            lines.append(f"N_FEATURES {size['N_FEATURES']} /* numbers of a step */")
        if size["N_IDS"]:
            lines.append(f"N_IDS {size['N_IDS']} /* ids of a step */")
        lines.append(f"N_OUTPUTS {size['N_OUTPUTS']}")
        if self._says_labels:
            lines.append(f"BLANK {size['BLANK']} /* the last output, which says nothing */")
            n_rest = size.get("N_OTHERS", 1)
            lines.append(f"N_REST {n_rest} /* room for the labels of {self._prefix}_finish */")
        if size.get("SEASON"):
            lines.append(f"SEASON {size['SEASON']} /* steps of a season */")
        if self._model.end is not None:
            what = "the id before the first token of a text, and after the last"
            lines.append(f"END {self._model.end} /* {what} */")
        return "".join(f"#define {self._PREFIX}_{line}\n" for line in lines)

    def _class_declaration(self):
        if not self._has_classes:
            return ""
        what = "label of each output but the last" if self._says_labels else "class of each output"
        return f"/* The {what}. */\nextern {self._class_array()};\n"

    def _class_array(self):
        class_type, _ = class_literals(self._model.meanings)
        n_classes = "BLANK" if self._says_labels else "N_OUTPUTS"
        return f"const {class_type} {self._prefix}_classes[{self._PREFIX}_{n_classes}]"

    def _scale_struct(self):
        plan = self._plan
        if plan is None:
            return ""
        factor, shift = _SCALES[plan.scales_by]
        value = _LOGS[plan.log] + " - season" * bool(plan.pattern)
        season = unit = ""
        if plan.log == LOG1P:
            unit = f"    float unit; /* {SHARE:g} times the mean size of the values, above 0 */\n"
        if plan.scale_feature:
            what = f"log(max(v, {LEAST_SPREAD:g}) / {USUAL_SPREAD:g}), where v is"
            unit += f"    float fixed[1]; /* {what}\n       {_SPREADS[bool(plan.log)]} */\n"
        if plan.pattern:
            season = (
                f"    float season[{self._PREFIX}_SEASON]; "
                "/* seasonal pattern from the first step on; zeros for none */\n"
            )
        return f"""\
/* How a series is scaled, known before its first step:

     z = ({value} - shift) / factor

   In Python, factor is {factor},
   and shift is {shift}.
   A factor of 0 belongs to a series that does not vary. */
typedef struct {{
    float shift, factor;
{unit}{season}}} {self._prefix}_scale;
"""

    def _stream_struct(self):
        size, top = self._size, self._size["H_TOP"]
        lines = [f"float state[{size['STATE_SIZE']}]; /* of all layers */"]
        if size["POOL_MEAN"]:
            lines.append(
                f"double sum[{top}]; "
                "/* of the last layer's states; float would lose count in long streams */"
            )
            lines.append("double n_steps;")
        if size["POOL_MAX"]:
            lines.append(f"float max[{top}]; /* of the last layer's states */")
        if size["POOL_ATTENTION"]:
            lines.append(
                f"double weighted[{top}], weight; /* sums of these, and of their weights */"
            )
            lines.append("float score; /* of the state that has the largest weight */")
        if self._plan is not None:
            lines.append(f"{self._prefix}_scale scale;")
            lines.append("float last; /* scaled value observed last */")
        if size.get("N_LAGS"):
            what = "it and those before it, nearest first"
            lines.append(f"float lagged[{size['N_LAGS']}]; /* {what} */")
        if size.get("SEASON"):
            lines.append("int place; /* of the next step in its season */")
        if size.get("MARKS"):
            lines.append(f"float seen[{size['N_VALUES']}]; /* numbers that were not missing */")
        if size.get("DECAY"):
            n = size["N_VALUES"]
            lines.append(f"float since[{n}], times[{n}]; /* since numbers were last seen */")
        if self._code.stages:
            lines.append(f"float recent[{size['RECENT_SIZE']}]; /* rows that may be read again */")
            lines.append("long long n_given; /* steps so far */")
        if not self._model.gaps.is_plain:
            lines.append("int has_begun; /* whether there was a step */")
        if self._says_labels:
            lines.append(
                "int path, label; /* the likeliest output; the label new with it, or -1 */"
            )
        fields = "".join(f"    {line}\n" for line in lines)
        return (
            "/* What a stream remembers of the steps so far. */\n"
            f"typedef struct {{\n{fields}}} {self._prefix}_stream;\n"
        )

    def _prepare_prototypes(self):
        prefix = self._prefix
        if self._plan is None:
            what = ("Prepare a stream, whatever its memory holds, for its first step",)
            what += ("Begin a new sequence",)
        else:
            what = ("Prepare a stream for the first step of a series with this scale",)
            what += ("Begin a series anew, with the same scale",)
        return (
            f"/* {what[0]}. */\n{self._init_head()};\n\n"
            f"/* {what[1]}. */\nvoid {prefix}_reset({prefix}_stream *stream);\n"
        )

    def _init_head(self):
        scale = "" if self._plan is None else f", const {self._prefix}_scale *scale"
        return f"void {self._prefix}_init({self._prefix}_stream *stream{scale})"

    def _step_prototype(self):
        inputs = self._inputs()
        width = max(len(place) for place, _ in inputs)
        lines = "".join(f"     {place:{width}} {meaning};\n" for place, meaning in inputs)
        refused = []
        if self._size["N_FEATURES"]:
            refused.append(self._unreadable())
        if self._size.get("LOG"):
            refused.append("the value is not above 0")
        if self._size["N_IDS"]:
            refused.append("there is no such id")
        return f"""\
/* Read the next step:

{lines}     {"y":{width}} receives what the model says of all steps so far:
     {"":{width}} {self._outputs()}.

   Returns 0, or -1 if {" or ".join(refused)}:
   then stream and y are as they were. */
{self._step_head()};
"""

    def _inputs(self):
        """Where each input stands, and what it is."""
        code = self._code
        inputs = [(f"x[{d}]", meaning) for d, meaning in enumerate(code.numbers)]
        if not code.ids and self._plan is None and self._model.gaps.is_plain:
            inputs = [("x", "the numbers of the step, as in X")]
        for c, (meaning, (n_ids, *_)) in enumerate(zip(code.ids, code.id_columns, strict=True)):
            inputs.append((f"ids[{c}]", f"{meaning}, from 0 to {n_ids - 1}"))
        return inputs

    def _unreadable(self):
        """Which numbers are refused."""
        gaps = self._model.gaps
        what = "a number is infinite" if gaps.allows else "a number is not finite"
        return what if gaps.time is None else f"{what}, a time below 0 or not finite"

    def _outputs(self):
        """What the outputs are."""
        levels = self._model.levels
        if self._plan is None:
            outputs = {
                "classes": f"the probability of each class, in the order of {self._prefix}_classes",
                "labels": "the probability of each label, for itself",
                "numbers": "the numbers predicted",
                "tokens": "the probability of each token to be the next",
                "label sequences": f"the probability of each label, in the order of "
                f"{self._prefix}_classes, and of the blank",
            }[self._model.answers]
        else:
            outputs = f"forecasts of the next {count(self._plan.n_ahead, 'step')}"
            levels = self._plan.quantiles
        if levels is not None:
            outputs += f", of each the quantiles {', '.join(map(str, levels))}"
        return outputs

    def _step_head(self):
        return self._head_of_step("step", f"float y[{self._PREFIX}_N_OUTPUTS]")

    def _head_of_step(self, name, result):
        size, arguments = self._size, [f"{self._prefix}_stream *stream"]
        if size["N_FEATURES"]:
            arguments.append(f"const float x[{self._PREFIX}_N_FEATURES]")
        if size["N_IDS"]:
            arguments.append(f"const int ids[{self._PREFIX}_N_IDS]")
        return _head(f"int {self._prefix}_{name}", [*arguments, result])

    def _run_prototype(self):
        prefix = self._prefix
        if self._size["EVERY_STEP"]:
            receives = f"y receives what {prefix}_step would give for each step: n_steps rows."
        else:
            receives = f"y receives what {prefix}_step would give for the last step."
        return f"""\
/* Read a whole sequence of n_steps steps, which stand one after the other.
   {receives}
   Returns 0, or -1 if n_steps is 0 or {prefix}_step would refuse a step. */
{self._run_head()};
"""

    def _run_head(self):
        return self._head_of_run("int", "run", "float *y")

    def _head_of_run(self, kind, name, result):
        arguments = [] if self._plan is None else [f"const {self._prefix}_scale *scale"]
        arguments += ["const float *x"] if self._size["N_FEATURES"] else []
        arguments += ["const int *ids"] if self._size["N_IDS"] else []
        return _head(f"{kind} {self._prefix}_{name}", [*arguments, "size_t n_steps", result])

    def _label_prototypes(self):
        """Those of the functions that say labels, if there are any."""
        if not self._says_labels:
            return ""
        return label_prototypes(self._prefix, self._label_heads(), bool(self._code.stages))

    def _label_heads(self):
        prefix = self._prefix
        return (
            self._head_of_step("push", "int *label"),
            _head(f"int {prefix}_finish", [f"{prefix}_stream *stream", "int *labels"]),
            self._head_of_run("long long", "labels", "int *labels"),
        )

    def _label_functions(self, x, ids):
        """Those functions."""
        if not self._says_labels:
            return ""
        return label_functions(self._prefix, self._label_heads(), x, ids)

    def source(self, header, basis, runtime):
        """Write the source, from its beginning to its end.

        Parameters
        ----------
        header : str
            Name of the header.
        basis, runtime : str
            What stands before the tables of the model, and behind them.

        Yields
        ------
        str
        """
        parts = [
            self._source_begin(header),
            self._constants(),
            basis,
            self._tables(),
            runtime,
            self._functions(),
            self._classes(),
            "/* The weights, which are exact: floats in hexadecimal. */\n",
        ]
        yield "\n".join(part for part in parts if part)
        for name, values in self._code.weights.items():
            yield f"\nstatic const {type_of(values)} {name}[{values.size}] = {{\n"
            yield from rows_of(values)
            yield "};\n"

    def _source_begin(self, header):
        stages = "".join(f"     {stage}\n" for stage in self._stages())
        rounded = ""
        if self._model.network.dtype == np.float64:
            rounded = (
                "   The model was trained in double precision; "
                "its weights are rounded to float here.\n\n"
            )
        return f"""\
/* {self._title}
   Do not change it: export the model again. {header} says how it is used.

   A step goes this way:

{stages}
{rounded}\
   Any C99 compiler will do; the mathematical library is needed (-lm). The inner loops of products
   run over neighbours in memory: -O3, with leave to use the processor's vector instructions such as
   -march=native, makes the most of them. */

#include "{header}"
"""

    def _stages(self):
        """What happens to a step, one after the other."""
        code = self._code
        n_numbers, n_ids = self._size["N_FEATURES"], self._size["N_IDS"]
        scaled = ", scaled" * bool(self._model.scaling.center)
        stages = [count(n_numbers, "number") + scaled] if n_numbers else []
        stages += [f"{count(n_ids, 'id')}, for each a vector"] if n_ids else []
        title = self._model.network.layers[0].cell.title
        stages += map(_stage, self._code.stages)
        stages += [f"{count(H, 'unit')} of {title}" for _, H, *_ in code.layers]
        parts = [_PARTS[name] for name in parts_of(self._model.architecture.pooling)]
        if self._size["N_POOLED"] > self._size["H_TOP"] or not self._size["POOL_LAST"]:
            stages.append(f"{' and '.join(parts)} of its states")
        return [*stages, f"output layer: {self._outputs()}"]

    def _constants(self):
        """What the runtime asks the preprocessor for."""
        lines = [
            f"#define {name}"
            + ("" if value is None else f" {value}{'f' * isinstance(value, float)}")
            for name, value in self._code.constants.items()
        ]
        each = " \\\n    ".join(f"DO({k})" for k in range(len(self._code.layers)))
        lines.append(f"#define EACH_LAYER(DO) {each}")
        return "/* The model. */\n\n" + "\n".join(lines) + "\n"

    def _tables(self):
        """The types that the runtime knows, the weights' names, and its tables."""
        code, id_columns, stages = self._code, "", ""
        if code.id_columns:
            id_columns = f"static const id_column id_columns[] = {{{_table(code.id_columns)}}};\n"
        if code.stages:
            stages = f"{_STAGE}static const stage_type stages[] = {{{_table(code.stages)}}};\n"
        weights = "".join(
            f"static const {type_of(values)} {name}[{values.size}];\n"
            for name, values in code.weights.items()
        )
        return f"""\
typedef {self._prefix}_stream stream_type;

/* A layer: its inputs and units, and its parameters: W of inputs, U of states, a row for each; b
   are biases. */
typedef struct {{
    int D, H;
{code.fields}}} layer_type;

/* A column of ids: how many there are, the length of their vectors, where these stand in the input
   of the first layer, and the vectors. */
typedef struct {{
    int n_ids, length, place;
    matrix table;
}} id_column;

/* Weights, whose values stand at the end of this file. */
{weights}
static const matrix head[] = {{{code.head}}};
static const layer_type layers[] = {{{_table(code.layers)}}};
{id_columns}{stages}"""

    def _functions(self):
        """The functions that the header declares."""
        prefix = self._prefix
        x = "x" if self._size["N_FEATURES"] else "NULL"
        ids = "ids" if self._size["N_IDS"] else "NULL"
        keep_scale = scale = ""
        if self._plan is not None:
            keep_scale, scale = "    stream->scale = *scale;\n", ", scale"
        return f"""\
{self._init_head()}
{{
{keep_scale}    reset(stream);
}}

void {prefix}_reset({prefix}_stream *stream)
{{
    reset(stream);
}}

{self._step_head()}
{{
    return step(stream, {x}, {ids}, y);
}}

{self._run_head()}
{{
    {prefix}_stream stream;

    {prefix}_init(&stream{scale});
    return run(&stream, {x}, {ids}, n_steps, y);
}}
{self._label_functions(x, ids)}"""

    def _classes(self):
        if not self._has_classes:
            return ""
        _, literals = class_literals(self._model.meanings)
        return f"{self._class_array()} = {{\n" + "".join(f"    {it},\n" for it in literals) + "};\n"


def _stage(stage):
    """Say what a stage before the first layer does."""
    _, K, kernel, _, stride, *_, b = stage
    if b == "NULL":
        return f"{count(stride, 'step')} as one row"
    return f"convolution of {count(kernel, 'row')}, every {count(stride, 'row')}, to {K} numbers"


def _head(name, arguments):
    """The head of a function, an argument in each line."""
    lines = ",\n    ".join(arguments)
    return f"{name}(\n    {lines})"


def _table(rows):
    """The rows of a table, each in a line of its own."""
    return "".join(f"\n    {{{', '.join(map(str, row))}}}," for row in rows) + "\n"
