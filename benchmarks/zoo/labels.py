"""What pretraining is worth where few images are labelled.

    python -m benchmarks.zoo.labels           # minutes; goes on where it stopped

Trains the network of `finetuned` on 100, 1,000 and 10,000 labelled images of Fashion-MNIST, with the encoder
of an autoencoder that has seen all images, and from scratch, three seeds each; draws docs/labels.png. The
database of the nearest neighbour holds the labelled images alone. Every training takes 3,000 to 3,840 steps.
"""

import statistics
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
WAYS = {"pretrained": True, "from scratch": False}
PICTURE = DOCS / "labels.png"

Accuracies = dict[str, float]
"""Of the head, and of the nearest labelled image."""


def measure(seed: int) -> dict[str, Accuracies]:
    """Train one autoencoder and, from its encoder and from scratch, on every number of labels."""
    from latentknn import models
    from latentknn.stratifying import choose_evenly

    dataset = datasets.load("fashion_mnist")
    images, labels = dataset.train_images, dataset.train_labels
    autoencoder = models.create("stacked_ae", seed=seed)
    autoencoder.fit(images, epochs=PRETRAINING_EPOCHS, verbose=2)
    found = {}
    for count in LABELS:
        labelled = choose_evenly(labels, count, seed)
        for way, pretrained in WAYS.items():
            model = models.create("finetuned", pretraining_epochs=0, seed=seed)
            if pretrained:
                model.copy_encoder(autoencoder)
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

    figure = new_figure(8.0, 3.8)
    titles = {"head": "softmax layer", "nearest": "nearest labelled image, cosine"}
    for axes, (measured, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        for way, colour, marker in zip(WAYS, COLOURS, MARKERS, strict=False):
            values = [[found[f"{way}, {count}"][measured] for found in rows.values()] for count in LABELS]
            means = [statistics.mean(each) for each in values]
            spread = np.abs([[min(each), max(each)] for each in values] - np.array(means)[:, None]).T
            axes.errorbar(
                LABELS, means, spread, color=colour, marker=marker, markersize=5, capsize=3, label=way
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
    for seed in SEEDS:
        if str(seed) not in rows:
            rows[str(seed)] = in_fresh_process(measure, seed)
            write_json("labels", rows)

    from latentknn.report.drawing import save_figure

    save_figure(draw(rows), PICTURE)
    print(f"written: {PICTURE.name}")


if __name__ == "__main__":
    main()
