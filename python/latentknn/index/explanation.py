"""Explanations of how an index searches, which `CosineIndex.explain` returns."""

from __future__ import annotations

from dataclasses import dataclass

from latentknn.engines import Database
from latentknn.index.appearance import explanation_html


@dataclass(frozen=True)
class Consideration:
    """A screen that an index considered when it chose one.

    Parameters
    ----------
    arithmetic : str
        "fp32", "int16" or "int8".
    dims : int
        Dimensions that it multiplies: all, or those of a principal subspace and one more.
    candidates : float
        Rows that it was predicted to leave for a query of 30 neighbours, to be scored exactly.
    cost : float
        Predicted time of a query, relative to "fp32" in all dimensions.

    Examples
    --------
    >>> from latentknn.index import Consideration
    >>> Consideration("int8", dims=64, candidates=40.0, cost=0.4).arithmetic
    'int8'
    """

    arithmetic: str
    dims: int
    candidates: float
    cost: float


@dataclass(frozen=True)
class Explanation:
    """How an index searches, why, and what its searches took so far; printing it gives a few lines of text.

    Parameters
    ----------
    engine : str
        The engine.
    strategy : str
        The screening strategy in use, or FAISS's factory string.
    arithmetic : str
        Of the screen: "fp32", "int16" or "int8", "int8 or fp16" on devices; "float64" where every row is
        scored exactly.
    isa : str
        The instruction set whose kernels are in use, or the device's compute capability.
    rows, dim : int
        Shape of the codes.
    screened_dims : int
        Dimensions that the screen multiplies; 0 without a screen.
    unscreened_rows : int
        Rows unlike the others, which every search scores exactly.
    considered : tuple of Consideration
        What the strategy was chosen from, cheapest first; empty where nothing was predicted: a strategy
        was named, or the codes are too few for a choice to pay.
    queries : int
        Queries of all searches so far; with the engine "cpu", since the codes last changed.
    screened_per_query : float or None
        Rows that the screen compared a query with, over these searches, and never more than there are; the
        others were out of its reach. None before the first, and where the engine does not count them.
    candidates_per_query : float or None
        Rows scored exactly a query, over these searches; None as before.
    finer_per_query : float or None
        Of the rows that were screened, those in a finer arithmetic than the one that queries begin with, as
        that left too many; None as before.
    placement : str
        Where the codes are, if the engine has a choice.
    repeats : str
        How many queries so far were searched more than once, and how, if the engine does so.
    method : str
        Who searches and in which arithmetic, if codes are not screened and scored.
    origin : str
        Whether the file that the index was loaded from had digests, if it was loaded from any.

    Examples
    --------
    >>> import latentknn as lk
    >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]], engine="cpu", strategy="float64")
    >>> explanation = index.explain()
    >>> explanation.rows, explanation.dim, explanation.strategy, explanation.queries
    (2, 2, 'float64', 0)
    """

    engine: str
    strategy: str
    arithmetic: str
    isa: str
    rows: int
    dim: int
    screened_dims: int
    unscreened_rows: int
    considered: tuple[Consideration, ...]
    queries: int
    screened_per_query: float | None
    candidates_per_query: float | None
    finer_per_query: float | None = None
    placement: str = ""
    repeats: str = ""
    method: str = ""
    origin: str = ""

    @classmethod
    def of(cls, database: Database) -> Explanation:
        """Return what a database says of itself."""
        found = database.explain()
        queries = found["queries"]

        def per_query(count: int | None) -> float | None:
            return count / queries if queries and count is not None else None

        considered = (Consideration(*each) for each in found["considered"])
        return cls(
            engine=database.engine.name,
            strategy=found["strategy"],
            arithmetic=found["arithmetic"],
            isa=database.isa,
            rows=found["rows"],
            dim=database.dim,
            screened_dims=found["screened_dims"],
            unscreened_rows=found["unscreened_rows"],
            considered=tuple(sorted(considered, key=lambda each: each.cost)),
            queries=queries,
            screened_per_query=per_query(found["screened_rows"]),
            finer_per_query=per_query(found["finer_rows"]),
            candidates_per_query=per_query(found["scored_rows"]),
            placement=found.get("placement", ""),
            repeats=found.get("repeats", ""),
            method=database.engine.method,
        )

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return explanation_html(self)

    def __str__(self) -> str:
        lines = [f"{self.rows:,} codes of {self.dim} dimensions, strategy {self.strategy!r} on {self.isa}"]
        if self.method:
            lines.append(self.method)
        elif self.screened_dims:
            lines.append(
                f"screened in {self.arithmetic}, {self.screened_dims} dimensions;"
                " what is left is scored in float64"
            )
        else:
            lines.append("every code is scored in float64")
        if self.origin:
            lines.append(self.origin)
        if self.placement:
            lines.append(self.placement)
        if self.unscreened_rows:
            lines.append(f"{self.unscreened_rows:,} codes unlike the others are always scored in float64")
        for each in self.considered[:5]:
            lines.append(
                f"  considered: {each.arithmetic}, {each.dims} dimensions: {each.candidates:,.0f} candidates"
                f" for 30 neighbours, {each.cost:.2f} of the time of fp32"
            )
        if self.screened_per_query is not None and self.candidates_per_query is not None:
            lines.append(
                f"{self.queries:,} queries so far, {self.screened_per_query:,.0f} codes a query screened"
                f"{self._finer()}, {self.candidates_per_query:,.1f} scored in float64"
            )
        elif self.queries:
            lines.append(f"{self.queries:,} queries so far{self.repeats and '; ' + self.repeats}")
        return "\n".join(lines)

    def _finer(self) -> str:
        return f" ({self.finer_per_query:,.0f} of them in a finer arithmetic)" if self.finer_per_query else ""
