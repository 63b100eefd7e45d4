"""What the tasks of the command share."""

from typing import Any, ClassVar


class FileTask:
    """Reads what `fit` takes from files, asks a model for answers, and makes rows of them.

    - ``fit_arguments(options)`` gives arguments and keywords of `fit`, sentences on what there is,
      and names of the sequences, for `fastrnn.cli.output.naming_sequences`.
    - ``write(model, options)`` writes answers, ``figures(model, options)`` judges a model.
    """

    kind: ClassVar[str]  # of estimators
    of = ""  # which of them
    reads_rows = True  # answers are about rows, which it must be given
    defaults: ClassVar[dict[str, Any]] = {}  # of parameters, where the command has another one

    def is_for(self, model):
        """Whether a model is one that this task trains."""
        return type(model).__name__ == self.kind
