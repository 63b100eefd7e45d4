"""What an encoder-decoder network with attention is: all that decides its parameters' shapes."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from fastrnn.network import attending, handing_over
from fastrnn.network.architecture import MOST_PARAMETERS, Architecture

__all__ = ["EncoderDecoder", "Layers", "from_record"]


class NoHead:
    """Stands where others have a head, of an architecture whose outputs are its top layer's."""

    n_outputs = 0
    time_may_be_cut = True
    joins_steps = False
    options: ClassVar[dict] = {}

    def shapes(self, width):
        """No parameters."""
        return {}

    def bind(self, params, grads, tables):
        """Nothing is bound."""

    def start(self, rng):
        """Nothing is drawn."""

    def plan_forward(self, width, work):
        """Nothing is packed."""
        return None, []

    def plan_backward(self, width, work):
        """Nothing is packed."""
        return None, []


@dataclass(frozen=True, kw_only=True)
class Layers(Architecture):
    """An architecture that ends with its top layer, whose states of all steps are its outputs."""

    pooling: str = "steps"
    n_outputs: int = 1

    def make_head(self):
        """What it has in the place of a head."""
        return NoHead()


@dataclass(frozen=True, kw_only=True)
class EncoderDecoder:
    """Two networks, of which the second tells what the first has read; no weights.

    Parameters
    ----------
    encoder : Layers
        What reads the source: any layers, in both directions or forward.
    decoder : Architecture
        What tells the target, label by label, forward: it reads one column of ids with one table,
        and its head "log_loss" reads the attentional state of every step in the place of its top
        layer's. Of its K outputs the last is the end; its table has as many rows, of which the
        last is the start.
    attention : {"general", "dot", "additive"}, default="general"
        What the weight of a step of the source is from (`fastrnn.network.attending`).
    input_feeding : bool, default=False
        Whether the decoder also reads the attentional state of the step before, as numbers.

    Raises
    ------
    ValueError
        If a part is not what is said here, or does not go with the others.
    """

    encoder: Layers
    decoder: Architecture
    attention: str = "general"
    input_feeding: bool = False

    def __post_init__(self):
        encoder, decoder = self.encoder, self.decoder
        if self.attention not in attending.KINDS:
            raise ValueError(
                f"attention must be one of {list(attending.KINDS)}, got {self.attention!r}"
            )
        for name in ("dtype", "precision"):
            mine, its = getattr(encoder, name), getattr(decoder, name)
            if mine != its:
                raise ValueError(
                    f"encoder and decoder must be of one {name}, got {mine!r} and {its!r}"
                )
        if encoder.pooling != "steps" or encoder.tied:
            raise ValueError("an encoder must have the states of all steps for outputs")
        plain = (
            decoder.bidirectional,
            decoder.means,
            decoder.stages,
            decoder.pooling,
            decoder.head,
        )
        if plain != (False, (), [], "steps", "log_loss"):
            raise ValueError(
                "a decoder must read forward, every step as it is, and have a head 'log_loss' for "
                f"every step, got {decoder}"
            )
        if not isinstance(self.input_feeding, bool):
            raise ValueError(f"input_feeding must be True or False, got {self.input_feeding!r}")
        tables, n_fed = decoder.embeddings, decoder.width if self.input_feeding else 0
        is_one = len(decoder.id_tables) == 1 and tables[0][0] == decoder.n_outputs
        if not is_one or decoder.n_features != n_fed:
            raise ValueError(
                f"a decoder must read one column of {decoder.n_outputs} ids, one for each of its "
                f"outputs, and {n_fed} numbers, got tables {tables} and {decoder.n_features} "
                "numbers"
            )
        if self.n_parameters > MOST_PARAMETERS:
            raise ValueError(
                f"expected up to {MOST_PARAMETERS} parameters, got {self.n_parameters}"
            )

    @property
    def source(self):
        """The part that reads what is given."""
        return self.encoder

    @property
    def width(self):
        """What the encoder's top layer puts out at each step."""
        return self.encoder.width

    @property
    def stages(self):
        """What stands before the encoder's first layer."""
        return self.encoder.stages

    @property
    def dtype(self):
        """Type of parameters and arithmetic."""
        return self.encoder.dtype

    @property
    def precision(self):
        """How the factors of matrix products are rounded."""
        return self.encoder.precision

    @property
    def n_labels(self):
        """How many labels there are, without start and end."""
        return self.decoder.n_outputs - 1

    def parts(self):
        """The shapes of all arrays of parameters, by part and name, in the order of theta."""
        pair = self.encoder, self.decoder
        return {
            "encoder": self.encoder.shapes(),
            "bridge": handing_over.shapes(*pair),
            "attention": attending.shapes(self.attention, self.encoder.width, self.decoder.width),
            "decoder": self.decoder.shapes(),
        }

    def shapes(self):
        """The shape of every array of parameters by its name, in the order of theta."""
        return {
            f"{part}.{name}": shape
            for part, shapes in self.parts().items()
            for name, shape in shapes.items()
        }

    @property
    def n_parameters(self):
        """How many parameters there are."""
        return sum(math.prod(shape) for shape in self.shapes().values())

    def with_dtype(self, dtype):
        """The same with another type of parameters."""
        encoder, decoder = self.encoder.with_dtype(dtype), self.decoder.with_dtype(dtype)
        return replace(self, encoder=encoder, decoder=decoder)

    def to_record(self):
        """All of it in what JSON knows, for `from_record`."""
        records = {"encoder": self.encoder.to_record(), "decoder": self.decoder.to_record()}
        return {**vars(self), **records}

    @classmethod
    def from_record(cls, record):
        """Read back what `to_record` said; nothing in it is trusted: all else is a ValueError."""
        names = ["encoder", "decoder", "attention", "input_feeding"]
        if not isinstance(record, dict) or set(record) != set(names):
            raise ValueError(f"an encoder with a decoder must have {names}, got {record!r}")
        if not isinstance(record["attention"], str):
            raise ValueError(f"attention must be a word, got {record['attention']!r}")
        encoder = Layers.from_record(record["encoder"])
        decoder = Architecture.from_record(record["decoder"])
        return cls(**{**record, "encoder": encoder, "decoder": decoder})

    def difference(self, other):
        """What is different about another, such as "decoder.cell='lstm', not 'gru'", or nothing."""
        for part in ("encoder", "decoder"):
            told = getattr(self, part).difference(getattr(other, part))
            if told:
                return f"{part}.{told}"
        for name in ("attention", "input_feeding"):
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                return f"{name}={mine!r}, not {its!r}"
        return ""


def from_record(record):
    """The architecture of a record, of whichever kind."""
    is_pair = isinstance(record, dict) and "encoder" in record
    return (EncoderDecoder if is_pair else Architecture).from_record(record)
