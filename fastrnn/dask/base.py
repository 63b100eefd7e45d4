"""What all estimators on Dask share: where they compute, and the twin that they are made of."""

import copy
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import distributed

from fastrnn.dask.cluster import Cluster
from fastrnn.dask.crew import Crew
from fastrnn.dask.data import Data
from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.interrupts import NotedInterrupts
from fastrnn.estimators.parameters import in_effect
from fastrnn.estimators.shared_parameters import BY_MINIBATCHES
from fastrnn.estimators.values import Values, either, parameter, whole
from fastrnn.typing import PathLike

if TYPE_CHECKING:  # a checker sees what every twin has
    _Twin = RNNBase
else:
    _Twin = object

A_NAME = Values("a string", "str", (str,))


@dataclass(eq=False, repr=False, kw_only=True)
class OnDask(_Twin):
    """What the estimators on Dask share. A class names the one that it is on one machine."""

    twin_class: ClassVar[type[RNNBase]]

    client: Any = parameter(
        Values("None or a Client", "distributed.Client or None", (type(None), distributed.Client)),
        None,
        "The cluster to train and predict on. None is that of the current client.",
    )
    id_column: str = parameter(
        A_NAME, "id", "Column of a data frame that says which sequence each row belongs to."
    )
    time_column: str = parameter(
        A_NAME,
        "time",
        """
        Column of a data frame by which the rows of each sequence are sorted. It is a feature only
        with `time_feature`, of the same name.
        """,
    )

    partitions_at_once: int | None = parameter(
        either(whole(1), None),
        None,
        """
        Partitions that training reads at a time, in a new order in each epoch: minibatches are
        drawn from those alone, so that the others need no memory meanwhile. None draws from all.
        """,
    )
    local_steps: int = parameter(
        whole(1),
        1,
        """
        Minibatches from one message to the next. With more than one each partition makes a step of
        its own on its share of each, and then all take the mean of their weights (local SGD, Stich
        2019): fewer messages, but another model than that of one machine.
        """,
        used_by=BY_MINIBATCHES,
    )

    @property
    def client_(self) -> Any:
        """The client of the cluster: `client`, or the current one."""
        if self.client is not None:
            return self.client
        try:
            return distributed.get_client()
        except ValueError:
            raise ValueError(
                "there is no client of a Dask cluster: make one with distributed.Client(...), or "
                "give client="
            ) from None

    def to_local(self) -> Any:
        """Make the estimator that this one is on one machine.

        Returns
        -------
        RNNClassifier, RNNRegressor, RNNTagger or RNNForecaster
            An estimator with the same parameters, fitted if this one is, which needs no Dask.
        """
        own = {field.name for field in fields(self)}
        twin_class = self.twin_class
        twin = twin_class(**{field.name: getattr(self, field.name) for field in fields(twin_class)})
        vars(twin).update({name: value for name, value in vars(self).items() if name not in own})
        return twin

    def _adopt(self, twin: RNNBase) -> None:
        vars(self).update({name: value for name, value in vars(twin).items() if name.endswith("_")})

    def save(self, path: PathLike) -> None:
        """Write the estimator that this one is on one machine to a file, as `to_local` makes it.

        Parameters
        ----------
        path : str or path-like
            Where; a file that is there is replaced.
        """
        self.to_local().save(path)

    def __getstate__(self) -> dict[str, Any]:
        """What copy and pickle take: everything but the client."""
        return {**super().__getstate__(), "client": None}

    def __sklearn_clone__(self) -> Self:
        """An estimator with the same parameters, and the same client."""
        copied = copy.copy(self)  # without the client, which cannot be copied
        clone = super(OnDask, copied).__sklearn_clone__()
        clone.client = self.client
        return clone


@contextmanager
def at_work(
    estimator: OnDask, data: Data, scored: Data | None, nothing: str
) -> Iterator[tuple[tuple[RNNBase, Crew, Crew | None], dict[str, Any]]]:
    """The arguments of `fit_jointly` for `Data` to train on and to score; a twin comes first.

    Where there are none to train on the error is `nothing`. What the twin learned is adopted.
    """
    options = {
        "at_once": in_effect(estimator, "partitions_at_once"),
        "local_steps": in_effect(estimator, "local_steps"),
    }
    twin = estimator.to_local()
    with NotedInterrupts() as interrupts:
        with closing(Cluster(estimator.client_, interrupts)) as cluster:
            cluster.check_workers()
            at_once = options["at_once"]
            crew = Crew(cluster, data, at_once)
            if not len(crew):
                raise ValueError(nothing)
            scoring = None if scored is None else Crew(cluster, scored, at_once)
            yield (twin, crew, scoring), options
        estimator._adopt(twin)


def bare_model(estimator: OnDask) -> Any:
    """What predicts as the estimator does, with nothing that only training needs."""
    model = estimator.to_local()
    del model.training_state_
    return model
