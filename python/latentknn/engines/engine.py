"""The protocol of engines: what a new one says of itself, and what it does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from latentknn.engines.database import Database


@dataclass(frozen=True)
class Availability:
    """Whether an engine can run here.

    Parameters
    ----------
    name : str
        The engine.
    exact : bool
        Whether its answers keep the exactness contract.
    kernels : str
        What its kernels were made for; empty where it cannot run.
    missing : str
        What is missing and what to do, empty where nothing is.

    Examples
    --------
    >>> from latentknn.engines import Availability, availability
    >>> next(engine for engine in availability() if engine.name == "cpu").available
    True
    >>> Availability("mine", exact=True, kernels="", missing="a device").available
    False
    """

    name: str
    exact: bool
    kernels: str
    missing: str

    @property
    def available(self) -> bool:
        """Whether it can run."""
        return not self.missing


class EngineRequestError(ValueError):
    """An engine cannot do what it was asked for, as the message says.

    Examples
    --------
    >>> import latentknn as lk
    >>> from latentknn.engines import EngineRequestError
    >>> try:
    ...     lk.CosineIndex.from_codes([[1.0, 0.0]], engine=lk.FaissEngine("no such index"))
    ... except EngineRequestError as error:
    ...     print("no such index" in str(error))
    True
    """


class Engine(ABC):
    """What searches the codes of an index, whose argument ``engine`` is one, or the name of one.

    An engine stands in a file of its own, with its `Database`, and once in `table.ENGINES`: what finds
    an engine by its name, or lists engines, reads that table.

    Attributes
    ----------
    name : str
        What users call it.
    exact : bool
        Whether its answers keep the exactness contract.
    has_strategies : bool
        Whether its databases can be told how to screen.
    method : str
        Who searches and in which arithmetic, for `Explanation`; empty where rows are screened and scored.

    Examples
    --------
    >>> from latentknn.engines import Engine, find_engine
    >>> engine = find_engine("cpu")
    >>> isinstance(engine, Engine), engine.name, engine.exact
    (True, 'cpu', True)
    """

    exact: ClassVar[bool]
    has_strategies: ClassVar[bool] = False
    method: ClassVar[str] = ""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the engine."""

    @abstractmethod
    def kernels(self) -> str:
        """Say what the kernels were made for, in the line of ``latentknn engines``.

        Raises
        ------
        ImportError, RuntimeError
            Where something is missing, saying what to do.
        """

    @abstractmethod
    def make_database(self, dim: int, strategy: str) -> Database:
        """Return an empty database; ``strategy`` is "auto" for engines without strategies.

        Raises
        ------
        ImportError, RuntimeError
            As `kernels`.
        ValueError
            For settings that the engine does not have.
        """

    def availability(self) -> Availability:
        """Return whether the engine can run here."""
        try:
            return Availability(self.name, self.exact, self.kernels(), "")
        except (ImportError, RuntimeError) as error:
            return Availability(self.name, self.exact, "", str(error))

    def on_host(self, values: ArrayLike) -> ArrayLike:
        """Return what users pass, copied to the host if the engine reads arrays where they are elsewhere."""
        return values

    def settled(self, database: Database, threads: int) -> Database:
        """Return a database of the same rows on which searches go on, after rows were added.

        Parameters
        ----------
        database : Database
            One that the engine made.
        threads : int
        """
        return database
