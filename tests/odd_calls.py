"""Calls of public functions with odd arguments: the programme of ``test_odd_calls.py``.

python tests/odd_calls.py COUNT     # each argument in every odd way, then COUNT calls with several odd ones
"""

import collections
import datetime
import faulthandler
import random
import signal
import sys
import warnings

import numpy as np

import latentknn as lk
from latentknn import _core

ROWS, DIM = 20, 4
RNG = np.random.default_rng(0)
CODES = RNG.standard_normal((ROWS, DIM), dtype=np.float32)
LABELS = np.arange(ROWS) % 3
LONGEST_CALL_SECONDS = 60


class Deceiving:
    """An object whose special methods do what they should not."""

    def __init__(self, act, number=2):
        self.act, self.number = act, number

    def __array__(self, *arguments, **keywords):
        self.act()
        return CODES

    def __index__(self):
        self.act()
        return self.number

    def __len__(self):
        self.act()
        return self.number

    def __getitem__(self, at):
        return CODES[at]

    def __str__(self):
        self.act()
        return "cpu"


class Subclass(np.ndarray):
    """An array whose values are read in a way of its own."""

    def __array_finalize__(self, other):
        self.touched = True


def fail():
    raise ZeroDivisionError


def change():
    """Change the index in the middle of a call of its own."""
    SCENE.index.add(CODES[:1], [0])
    SCENE.index.remove(SCENE.index.ids[-1:])


def odd_values():
    recursive = []
    recursive.append(recursive)
    huge = np.broadcast_to(np.float32(1), (2**44, DIM))
    unaligned = np.frombuffer(b"\0" + CODES.tobytes(), np.uint8)[1:].view(np.float32).reshape(ROWS, DIM)
    read_only = CODES.copy()
    read_only.flags.writeable = False
    with_object = np.empty((ROWS, DIM), object)
    with_object[:] = [[object()] * DIM]
    integers = [-1, 0, 1, 2, ROWS, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 2**64, 10**40]
    return [
        *(None, True, False, Ellipsis, NotImplemented, object(), object, fail, len, sys),
        *integers,
        *(0.5, -0.0, float("nan"), float("inf"), 1e308, 1j),
        *(
            "",
            "a",
            "\0",
            "cpu",
            "float64",
            "\ud800",
            "é" * 10_000,
            b"",
            b"a",
            bytearray(3),
            memoryview(b"abc"),
        ),
        *([], (), {}, set(), [[]], [[], [1]], recursive, range(3), iter([1]), (each for each in [1])),
        *([None] * ROWS, ["a"] * ROWS, [1, "a"], [[1, "a"]] * ROWS, [float("nan")] * ROWS, {"a": 1}),
        *(
            datetime.date(2020, 1, 1),
            datetime.timedelta(1),
            collections.deque([1]),
            collections.Counter("ab"),
        ),
        *(
            np.float32(2),
            np.int8(-1),
            np.uint64(2**64 - 1),
            np.datetime64("NaT"),
            np.str_("a"),
            np.bool_(True),
        ),
        *(np.array(3), np.array([]), np.array("a"), np.array(None), np.zeros((0, DIM)), np.zeros((DIM, 0))),
        *(np.zeros((3, ROWS, DIM)), np.zeros((1,) * 32), np.zeros((ROWS, DIM + 1)), np.zeros(ROWS)),
        *(np.asfortranarray(CODES), CODES[::-1], np.repeat(CODES, 2, 1)[:, ::2], CODES.T, huge, huge[:, 0]),
        *(
            CODES.astype(np.float16),
            CODES.astype(np.int8),
            CODES.astype(complex),
            CODES.astype(object),
            unaligned,
        ),
        *(
            CODES.astype(">f4"),
            CODES.astype(np.longdouble),
            CODES.astype("S4"),
            CODES.astype("M8[s]"),
            read_only,
        ),
        *(
            CODES.view(Subclass),
            np.ma.masked_less(CODES, 0),
            np.rec.fromarrays([LABELS, LABELS]),
            with_object,
        ),
        *(np.full((ROWS, DIM), value) for value in (np.nan, np.inf, 1e300, 1e-300, 2.0**-149, 2.0**127)),
        *(np.full((ROWS, DIM), value) for value in (2**63, -(2**63), 2**64 - 1)),
        *(np.ones(ROWS, bool), np.zeros(ROWS, bool), np.ones(ROWS + 1, bool), np.ones((ROWS, 1), bool)),
        *(LABELS, LABELS[:-1], LABELS.astype(np.uint8), LABELS.astype(">i8"), LABELS.astype(float) / 2),
        *(
            np.arange(ROWS, dtype=np.uint64) + np.uint64(2**63 - 9),
            np.full(ROWS, 2**62),
            LABELS.astype(str),
            LABELS.astype("U9999"),
        ),
        *(Deceiving(fail), Deceiving(change), Deceiving(change, -1), Deceiving(lambda: None, 2**70)),
    ]


class Scene:
    """Indexes, databases and a classifier that the calls are made on."""

    def __init__(self):
        self.index = lk.CosineIndex.from_codes(CODES, LABELS, threads=2)
        self.index.save("index.safetensors")
        self.database = _core.Database(DIM, "auto")
        self.database.add(CODES, None, 2)
        self.classifier = lk.CosineKNNClassifier(3, n_jobs=2).fit(CODES, LABELS)
        self.expected = self.index.search(CODES, 3, scores64=True)
        self.content = self._content()

    def is_whole(self):
        index = self.index
        if len(index) != len(index.labels) or len(index) != len(index.ids) or len(index) != len(index.codes):
            return False
        if self.is_changed():
            return True
        found = index.search(CODES, 3, scores64=True)
        return all(
            getattr(found, name).tobytes() == getattr(self.expected, name).tobytes()
            for name in ("similarities", "ids", "scores64")
        )

    def is_changed(self):
        return self._content() != self.content

    def _content(self):
        index = self.index
        labels = None if index.labels is None else index.labels.tolist()
        return index.codes.tobytes(), index.ids.tobytes(), labels, self.database.rows().tobytes()


def classified(method):
    def call(n_neighbors, weights, temperature, engine, n_jobs, X, y, queries):
        fitted = lk.CosineKNNClassifier(
            n_neighbors, weights=weights, temperature=temperature, engine=engine, n_jobs=n_jobs
        ).fit(X, y)
        return getattr(fitted, method)(queries)

    return call


def calls():
    """Return every call: what is called, and its arguments when nothing is odd."""
    settings = {"engine": "cpu", "strategy": "auto", "threads": 2}
    labelled = {"codes": CODES, "labels": LABELS, "ids": np.arange(ROWS) + 100}
    voting = {"n_neighbors": 3, "weights": "uniform", "temperature": 0.1, "engine": "cpu", "n_jobs": 1}
    fitting = {**voting, "X": CODES, "y": LABELS, "queries": CODES}
    searching = {"queries": CODES, "k": 3, "scores64": True}
    core = {"queries": CODES, "k": 3, "threads": 2}
    index, database = (lambda: SCENE.index), (lambda: SCENE.database)
    return {
        "CosineIndex": (lk.CosineIndex, {"dim": DIM, **settings}),
        "from_codes": (lk.CosineIndex.from_codes, {**labelled, **settings}),
        "load": (lk.CosineIndex.load, {"path": "index.safetensors", **settings}),
        "save": (lambda **given: index().save(**given), {"path": "other.safetensors"}),
        "add": (lambda **given: index().add(**given), labelled),
        "remove": (lambda **given: index().remove(**given), {"ids": [3, 4]}),
        "update": (lambda **given: index().update(**given), {**labelled, "ids": np.arange(ROWS)}),
        "upsert": (lambda **given: index().upsert(**given), labelled),
        "search": (
            lambda **given: index().search(**given),
            {**searching, "allowed": np.ones(ROWS, bool), "on_device": False},
        ),
        "search_self": (lambda **given: index().search_self(**given), {"k": 3, "scores64": True}),
        "search_per_class": (lambda **given: index().search_per_class(**given), searching),
        "recall": (lambda **given: index().recall(**given), {"queries": CODES, "k": 3}),
        "cosine_search": (lk.cosine_search, {"codes": CODES, "queries": CODES, "k": 3, "threads": 2}),
        "predict": (classified("predict"), fitting),
        "predict_proba": (classified("predict_proba"), fitting),
        "kneighbors": (
            lambda **given: SCENE.classifier.kneighbors(**given),
            {"X": CODES, "n_neighbors": 3, "return_distance": True},
        ),
        "score": (lambda **given: SCENE.classifier.score(**given), {"X": CODES, "y": LABELS}),
        "CudaEngine": (lk.CudaEngine, {"devices": [0], "memory": 1 << 20}),
        "FaissEngine": (lk.FaissEngine, {"factory": "Flat", "parameters": {}, "rescore": 2, "gpu": False}),
        "core Database": (_core.Database, {"dim": DIM, "strategy": "auto"}),
        "core add": (lambda **given: database().add(**given), {"rows": CODES, "ids": None, "threads": 2}),
        "core change": (
            lambda **given: database().change(**given),
            {"gone": np.array([3, 4]), "rows": CODES, "ids": None, "threads": 2},
        ),
        "core compact": (lambda **given: database().compact(**given), {"threads": 2}),
        "core rows": (lambda **given: database().rows(**given), {"first": 1, "last": 4}),
        "core search": (
            lambda **given: database().search(**given),
            {**core, "allowed": None, "scores64": True},
        ),
        "core search_self": (
            lambda **given: database().search_self(**given),
            {"k": 3, "threads": 2, "scores64": True},
        ),
        "core score": (
            lambda **given: database().score(**given),
            {**core, "positions": np.tile(np.arange(4), (ROWS, 1))},
        ),
        "round_rows": (_core.round_rows, {"rows": CODES, "what": "rows"}),
    }


def attempt(name, function, given):
    """Make one call; return whether it was answered, and look at the index after it."""
    global SCENE
    signal.alarm(LONGEST_CALL_SECONDS)
    try:
        function(**given)
        answered = True
    except Exception:
        answered = False
    signal.alarm(0)
    if not SCENE.is_whole():
        raise SystemExit(f"{name} with {given!r:.2000} left the index broken")
    if SCENE.is_changed():
        SCENE = Scene()
    return answered


def main():
    faulthandler.enable()
    warnings.simplefilter("ignore")
    outcomes = collections.Counter()
    for name, (function, usual) in calls().items():
        assert attempt(name, function, usual), f"{name} does not answer what is not odd"
        for argument in usual:
            for value in odd_values():
                outcomes[attempt(name, function, {**usual, argument: value})] += 1
    chance = random.Random(0)
    all_calls = list(calls().items())
    for _ in range(int(sys.argv[1])):
        name, (function, usual) = chance.choice(all_calls)
        values = odd_values()
        odd = {argument: chance.choice(values) for argument in usual if chance.random() < 0.5}
        outcomes[attempt(name, function, {**usual, **odd})] += 1
    print(f"{outcomes[True]} answered, {outcomes[False]} refused")


if __name__ == "__main__":
    SCENE = Scene()
    main()
