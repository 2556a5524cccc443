"""How well the similarity to the nearest training codes tells images of one data set from those of another.

    python -m benchmarks.zoo.out_of_distribution      # trains two models; goes on where it stopped

The codes of MNIST's training images are known, test images of MNIST ought to be accepted and those of
Fashion-MNIST refused; then the other way round. Codes are raw pixels, and those of `conv_ae` after two epochs
on the training images that are known, without labels. An image's score is its similarity to the k-th nearest
training code, as of "Out-of-Distribution Detection with Deep Nearest Neighbors" (Sun, Ming, Zhu, Li, ICML
2022), whose distance of normalised codes gives the same order. Nothing is learnt of the images to be refused.

A threshold is chosen on every second image, for a recall of 95 % of the nearest neighbour, and tried on the
others. Writes out_of_distribution.json and the table of docs/unknown.md.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.machine import today
from benchmarks.harness.markdown import replace_generated_part, table
from benchmarks.harness.paths import DOCS, RESULTS
from benchmarks.harness.processes import in_fresh_process
from benchmarks.harness.results import Record, read_json, write_json
from benchmarks.speed.data.codes import EPOCHS, train_and_encode
from latentknn import CosineIndex, CosineKNNClassifier, datasets

PAGE = DOCS / "unknown.md"
WRITER = "zoo/out_of_distribution.py"
NAME = "out_of_distribution"
DATA = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
CODES = {"pixels": "raw pixels", "conv_ae": f"`conv_ae`, {EPOCHS} epochs"}
DIM = 128
NEIGHBOURS = (1, 5, 10, 50, 200)
RECALL = 0.95
RESAMPLES = 1000
SEED = 0

Counts = NDArray[np.int64]
"""How many images have each of some similarities, ascending."""


def auroc(known: Counts, unknown: Counts) -> float:
    """Return the probability that a known image is more similar than an unknown one; equal ones count half.

    It is the area under the curve of recall against the false-positive rate.
    """
    below = np.cumsum(unknown) - unknown / 2
    return float(known @ below / (known.sum() * unknown.sum()))


def false_positive_rate(known: Counts, unknown: Counts) -> float:
    """Return the share of unknown images that the highest threshold accepts which has a recall of 95 %."""
    recall = np.cumsum(known[::-1]) / known.sum()
    accepted = int((recall >= RECALL).argmax()) + 1
    return float(unknown[::-1][:accepted].sum() / unknown.sum())


def measures(known: Counts, unknown: Counts) -> tuple[float, float]:
    return auroc(known, unknown), false_positive_rate(known, unknown)


def compare(known: Sequence[NDArray[np.float64]], unknown: Sequence[NDArray[np.float64]]) -> list[Record]:
    """Measure scores of the same images in several ways, with bootstrap intervals.

    Parameters
    ----------
    known, unknown : sequences of ndarrays
        Similarities of the known and of the unknown images, an array for each way.

    Returns
    -------
    list of Record
        For each way the two measures, and how much larger its AUROC is than that of the first way, all with
        the 2.5th and 97.5th percentile over images drawn anew with replacement, for all ways the same ones.
    """
    ways = []
    for of_known, of_unknown in zip(known, unknown, strict=True):
        distinct, places = np.unique(np.concatenate([of_known, of_unknown]), return_inverse=True)
        ways.append((places[: len(of_known)], places[len(of_known) :], len(distinct)))
    found = np.array([_of_way(way, slice(None), slice(None)) for way in ways])
    rng = np.random.default_rng(SEED)
    drawn = np.empty((RESAMPLES, *found.shape))
    for number in range(RESAMPLES):
        chosen = [rng.integers(len(scores), size=len(scores)) for scores in (known[0], unknown[0])]
        drawn[number] = [_of_way(way, *chosen) for way in ways]
    return [
        {
            "auroc": _with_interval(found[way, 0], drawn[:, way, 0]),
            "false_positive_rate": _with_interval(found[way, 1], drawn[:, way, 1]),
            "over_first": _with_interval(found[way, 0] - found[0, 0], drawn[:, way, 0] - drawn[:, 0, 0]),
        }
        for way in range(len(ways))
    ]


def _of_way(way: tuple[Counts, Counts, int], known: Any, unknown: Any) -> tuple[float, float]:
    """Return the measures of chosen images, whose similarities stand as numbers of the distinct ones."""
    known_places, unknown_places, count = way
    return measures(
        np.bincount(known_places[known], minlength=count),
        np.bincount(unknown_places[unknown], minlength=count),
    )


def _with_interval(value: float, drawn: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": float(value), "low": float(low), "high": float(high)}


def make_codes(known: str, codes: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return codes of the known data set's training and test images, and of the other's test images."""
    (unknown,) = set(DATA) - {known}
    data = datasets.load(known)
    tested = np.concatenate([data.test_images, datasets.load(unknown).test_images])
    if codes == "pixels":
        train, test = (images.reshape(len(images), -1) for images in (data.train_images, tested))
    else:
        train, test = in_fresh_process(train_and_encode, codes, DIM, data.train_images, tested)
    return train, test[: len(data.test_images)], test[len(data.test_images) :]


def measure(known: str, codes: str) -> Record:
    """Measure one data set against the other."""
    train, accepted, refused = make_codes(known, codes)
    found = CosineIndex.from_codes(train).search(
        np.concatenate([accepted, refused]), max(NEIGHBOURS), scores64=True
    )
    ways = [np.split(found.scores[:, k - 1], [len(accepted)]) for k in NEIGHBOURS]
    compared = compare([of_known for of_known, _ in ways], [of_unknown for _, of_unknown in ways])
    return {
        "neighbours": {str(k): line for k, line in zip(NEIGHBOURS, compared, strict=True)},
        "transferred": transferred(train, accepted, refused, datasets.load(known)),
    }


def transferred(
    train: NDArray[Any], accepted: NDArray[Any], refused: NDArray[Any], data: datasets.Dataset
) -> dict[str, float]:
    """Choose a threshold on every second image, and say what it accepts of the others."""
    classifier = CosineKNNClassifier().fit(train, data.train_labels)
    none = -1
    labels = np.concatenate([data.test_labels, np.full(len(refused), none)])
    images = np.concatenate([accepted, refused])
    calibration = classifier.calibrate(
        images[::2], labels[::2], recall=RECALL, positive="known", unknown=none
    )
    truth, answers = labels[1::2], classifier.predict(images[1::2], unknown=none)
    known, given = truth != none, answers != none
    right = classifier.predict(images[1::2]) == truth
    return {
        "threshold": calibration.threshold,
        "recall": float(given[known].mean()),
        "false_positive_rate": float(given[~known].mean()),
        "accuracy": float(right[known].mean()),
        "accuracy_of_accepted": float(right[known & given].mean()),
    }


def results_table(lines: dict[str, Record]) -> str:
    """Return the measures as tables of Markdown: each neighbour's, and the threshold that was tried."""
    cells, tried = [], []
    for key, line in lines.items():
        known, codes = key.split(", ")
        (unknown,) = set(DATA) - {known}
        names = [DATA[known], DATA[unknown], CODES[codes]]
        for k, found in line["neighbours"].items():
            more = "–" if k == "1" else _interval(found["over_first"], "+.4f")
            rate = _interval(found["false_positive_rate"], ".3f")
            cells.append([*names, k, _interval(found["auroc"], ".4f"), rate, more])
        once = line["transferred"]
        shares = ("recall", "false_positive_rate", "accuracy", "accuracy_of_accepted")
        tried.append([*names, f"{once['threshold']:.4f}", *(f"{once[share]:.3f}" for share in shares)])
    columns = ["known", "unknown", "codes", "k", "AUROC", "FPR at 95 % recall", "AUROC over that of k = 1"]
    tried_columns = [*columns[:3], "threshold", "known accepted", "unknown accepted"]
    tried_columns += ["known images, right", "of the accepted ones, right"]
    return f"{table(columns, cells)}\n\n{table(tried_columns, tried)}"


def page_table() -> str:
    """Return what stands between the page's markers."""
    return f"\n{results_table(read_json(RESULTS / f'{NAME}.json')['lines'])}\n\n"


def _interval(found: dict[str, float], form: str) -> str:
    return f"{found['value']:{form}} ({found['low']:{form}} to {found['high']:{form}})"


def main() -> None:
    results = read_json(RESULTS / f"{NAME}.json") or {"lines": {}}
    for known in DATA:
        for codes in CODES:
            key = f"{known}, {codes}"
            if key not in results["lines"]:
                results["lines"][key] = measure(known, codes)
                results["date"] = today()
                write_json(NAME, results)
                print(key, results["lines"][key], flush=True)
    replace_generated_part(PAGE, WRITER, page_table())
    print(f"written: {PAGE.name}")


if __name__ == "__main__":
    main()
