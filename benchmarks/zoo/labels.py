"""What pretraining is worth where few images are labelled.

    python -m benchmarks.zoo.labels           # minutes; goes on where it stopped

Trains `finetuned` on 100, 1,000 and 10,000 labelled images of Fashion-MNIST, with the encoder of each model
of phase 1 that has seen all images, and with the same encoder from scratch, three seeds each; draws
docs/labels.png. The database of the nearest neighbour holds the labelled images alone. Every training takes
3,000 to 3,840 steps.
"""

import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness.paths import DOCS, RESULTS
from benchmarks.harness.processes import in_fresh_process
from benchmarks.harness.results import read_json, write_json
from latentknn import CosineKNNClassifier, datasets

LABELS = (100, 1000, 10_000)
SEEDS = (0, 1, 2)
STEPS, BATCH = 3000, 32
PRETRAINING_EPOCHS = 10
PICTURE = DOCS / "labels.png"

Accuracies = dict[str, float]
"""Of the head, and of the nearest labelled image."""


@dataclass(frozen=True)
class Phase1:
    """A model whose encoder is trained without labels first, and how it is trained."""

    model: str
    dtype: str

    @property
    def ways(self) -> dict[str, bool]:
        """The two ways to begin phase 2, by their names, and whether phase 1 came before."""
        return {f"{self.model}, pretrained": True, f"{self.model}, from scratch": False}


PHASES = (Phase1("stacked_ae", "float32"), Phase1("self_supervised", "mixed_bfloat16"))


def measure(phase_1: Phase1, seed: int) -> dict[str, Accuracies]:
    """Train one model without labels and, from its encoder and from scratch, on every number of labels."""
    from latentknn import models
    from latentknn.stratifying import choose_evenly

    dataset = datasets.load("fashion_mnist")
    images, labels = dataset.train_images, dataset.train_labels
    unlabelled = models.create(phase_1.model, seed=seed, dtype=phase_1.dtype)
    unlabelled.fit(images, epochs=PRETRAINING_EPOCHS, verbose=2)
    found = {}
    for count in LABELS:
        labelled = choose_evenly(labels, count, seed)
        for way, pretrained in phase_1.ways.items():
            model = models.create(
                "finetuned", autoencoder=phase_1.model, pretraining_epochs=0, seed=seed, dtype=phase_1.dtype
            )
            if pretrained:
                model.copy_encoder(unlabelled)
            epochs = -(-STEPS * BATCH // count)
            model.fit(images[labelled], labels[labelled], batch_size=BATCH, epochs=epochs, verbose=0)
            nearest = CosineKNNClassifier().fit(model.encode(images[labelled]), labels[labelled])
            head = model.evaluate(dataset.test_images, dataset.test_labels, verbose=0, return_dict=True)
            found[f"{way}, {count}"] = {
                "head": float(head["accuracy"]),
                "nearest": nearest.score(model.encode(dataset.test_images), dataset.test_labels),
            }
            print(seed, way, count, found[f"{way}, {count}"], flush=True)
    return found


def draw(rows: dict[str, dict[str, Accuracies]]) -> Any:
    """Draw the accuracies against the number of labels, the seeds' mean, smallest and largest."""
    from latentknn.report.drawing import COLOURS, MARKERS, hide_frame, new_figure

    ways = [
        (number, way, pretrained)
        for number, phase_1 in enumerate(PHASES)
        for way, pretrained in phase_1.ways.items()
    ]
    figure = new_figure(8.0, 4.2)
    titles = {"head": "softmax layer", "nearest": "nearest labelled image, cosine"}
    for axes, (measured, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        for number, way, pretrained in ways:
            values = [[found[f"{way}, {count}"][measured] for found in rows.values()] for count in LABELS]
            means = [statistics.mean(each) for each in values]
            spread = np.abs([[min(each), max(each)] for each in values] - np.array(means)[:, None]).T
            axes.errorbar(
                LABELS,
                means,
                spread,
                color=COLOURS[number],
                marker=MARKERS[number],
                linestyle="-" if pretrained else "--",
                markersize=5,
                capsize=3,
                label=way,
            )
        axes.set_xscale("log")
        axes.set_xticks(LABELS, [f"{count:,}" for count in LABELS])
        axes.minorticks_off()
        axes.set_xlabel("labelled training images")
        axes.set_title(title, fontsize="medium")
        axes.grid(axis="y", color="0.9")
        hide_frame(axes, "top", "right")
        axes.legend(frameon=False, loc="lower right")
    figure.axes[0].set_ylabel("accuracy on the test set")
    return figure


def main() -> None:
    rows: dict[str, dict[str, Accuracies]] = read_json(RESULTS / "labels.json")
    for phase_1 in PHASES:
        for seed in SEEDS:
            row = rows.setdefault(str(seed), {})
            if not any(key.startswith(f"{phase_1.model}, ") for key in row):
                row.update(in_fresh_process(measure, phase_1, seed))
                write_json("labels", rows)

    from latentknn.report.drawing import save_figure

    save_figure(draw(rows), PICTURE)
    print(f"written: {PICTURE.name}")


if __name__ == "__main__":
    main()
