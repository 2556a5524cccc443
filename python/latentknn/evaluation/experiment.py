"""An experiment, which trains a model and classifies a test set by its codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentknn.classification.neighbours import find_neighbours
from latentknn.classification.vote import Vote
from latentknn.datasets import Dataset
from latentknn.evaluation.choosing import CANDIDATES, VoteScore, best_vote, score_votes
from latentknn.evaluation.classification import Classification
from latentknn.evaluation.splitting import hold_out
from latentknn.evaluation.stages import Stopwatch
from latentknn.index import CosineIndex

if TYPE_CHECKING:
    from latentknn.models import ImageEncoder

HELD_OUT_SHARE = 1 / 12
"""Share of the training images that are held out: 5,000 of MNIST's 60,000."""

_IMAGES_TO_IMITATE = 2000


@dataclass(frozen=True, eq=False)
class Experiment:
    """The settings and the results of an experiment.

    Attributes
    ----------
    dataset : Dataset
        The data.
    model : ImageEncoder
        The trained model.
    epochs : int
        Number of epochs, those before a resumed checkpoint included.
    batch_size : int
        Images of a training batch.
    seed : int
        Seed of the split.
    threads : int or None
        Threads of the searches; None stands for every processor that the process may use.
    history : dict of str to list of float
        Losses and metrics of every epoch.
    samples : dict of int to ndarray of float32, shape (n, H, W, C)
        Generated images after each epoch, counted from 1, of a model that can generate or decode.
    held_out : ndarray of shape (H,), intp
        Training images that were not trained on.
    index : CosineIndex
        The codes of all training images, the held-out ones included, with their labels.
    test_queries : ndarray of shape (M, d), or (C, M, d), float32
        The codes of the test images as they were searched for; a conditional model gives one under every
        class.
    test_codes : ndarray of shape (M, d), float32
        The codes of the test images; a conditional model gives them under the class of the nearest neighbour.
    vote_scores : tuple of VoteScore
        Every vote that was tried on the held-out images.
    nearest : Classification
        The test set classified by the nearest code, k = 1.
    chosen : Classification
        The test set classified by the vote that was best on the held-out images.
    pixels : Classification
        The baseline: the test set classified by the training image with the most similar pixels, k = 1.
    """

    dataset: Dataset
    model: ImageEncoder
    epochs: int
    batch_size: int
    seed: int
    threads: int | None
    history: dict[str, list[float]]
    samples: dict[int, NDArray[np.float32]]
    held_out: NDArray[np.intp]
    index: CosineIndex
    test_queries: NDArray[np.float32]
    test_codes: NDArray[np.float32]
    vote_scores: tuple[VoteScore, ...]
    nearest: Classification
    chosen: Classification
    pixels: Classification

    @property
    def results(self) -> dict[str, Classification]:
        """The three classifications by name, the baseline first."""
        return {"raw pixels": self.pixels, "codes": self.nearest, "codes, chosen vote": self.chosen}


def run_experiment(
    dataset: Dataset,
    model: ImageEncoder,
    *,
    epochs: int,
    batch_size: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    checkpoint_dir: str | PathLike[str] | None = None,
    resume: bool = False,
    verbose: str | int = "auto",
    record_samples: bool = True,
    stopwatch: Stopwatch | None = None,
) -> Experiment:
    """Train a model, index its codes, choose a vote and classify the whole test set once.

    A twelfth of the training images, stratified by class, is held out: the model is not trained on them,
    Keras computes the validation loss on them, and the vote is chosen among `CANDIDATES` by searching their
    codes among those of the other training images. The index that classifies the test set holds the codes of
    all training images, the held-out ones included. Nothing is chosen by the test set.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    model : ImageEncoder
        An untrained model for images of that shape.
    epochs : int
        Epochs to train, those before a resumed checkpoint included.
    batch_size : int, optional
        Images of a training batch; by default the model's own.
    seed : int
        Seed of the split; the model has its own.
    threads : int, optional
        Threads of the searches; by default every processor that the process may use.
    checkpoint_dir, resume, verbose
        See `ImageEncoder.fit`.
    record_samples : bool
        Whether a model that can generate or decode generates a few images after every epoch.
    stopwatch : Stopwatch, optional
        Measures the stages.

    Returns
    -------
    Experiment

    Raises
    ------
    ValueError
        If the training set is too small to be split; see also `ImageEncoder.fit`.
    FloatingPointError
        If the training diverged, so that codes are not finite.
    """
    stopwatch = stopwatch or Stopwatch()
    batch_size = model.default_batch_size if batch_size is None else batch_size
    train_images, train_labels = dataset.train_images, dataset.train_labels
    class_count = len(dataset.class_names)
    kept, held_out = hold_out(train_labels, max(1, round(HELD_OUT_SHARE * len(train_labels))), seed)

    # These imports are local, so that code which only measures codes needs no TensorFlow.
    from latentknn.evaluation.samples import SampleRecorder
    from latentknn.models.backend import keras

    this_session = keras.callbacks.History()
    few = kept[:_IMAGES_TO_IMITATE]
    recorder = SampleRecorder(train_images[few], train_labels[few])
    generates = record_samples and not model.capabilities.isdisjoint({"generate", "decode"})
    with stopwatch.measure("train", 0, "images") as stage:
        history = model.fit(
            train_images[kept],
            train_labels[kept],
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=[this_session, recorder] if generates else [this_session],
            validation_data=(train_images[held_out], train_labels[held_out]),
            checkpoint_dir=checkpoint_dir,
            resume=resume,
        ).history
        stage.items = len(this_session.epoch) * len(kept)

    with stopwatch.measure("encode training images", len(train_images), "images"):
        train_codes = model.encode_labelled(train_images, train_labels)
    with stopwatch.measure("encode test images", len(dataset.test_images), "images"):
        test_queries = model.encode_queries(dataset.test_images)
    if not (np.isfinite(train_codes).all() and np.isfinite(test_queries).all()):
        raise FloatingPointError(
            f"the training of {model.registry_name} diverged: its codes are not finite; "
            "train with a lower learning rate"
        )
    with stopwatch.measure("build index", len(train_codes), "codes"):
        index = CosineIndex.from_codes(train_codes, train_labels, threads=threads)

    with stopwatch.measure("choose vote", len(held_out), "queries"):
        among = CosineIndex.from_codes(train_codes[kept], train_labels[kept], threads=threads)
        queries = model.encode_queries(train_images[held_out])
        votes = _possible_votes((among, index), queries)
        most = max(vote.k for vote in votes)
        found = find_neighbours(among, _under_classes(among, queries), most, class_count)
        vote_scores = score_votes(found, train_labels[held_out], votes)
    chosen_vote = best_vote(vote_scores)

    with stopwatch.measure(f"search codes, k = {chosen_vote.k}", len(dataset.test_labels), "queries"):
        under_classes = _under_classes(index, test_queries)
        neighbours = find_neighbours(index, under_classes, chosen_vote.k, class_count)
    with stopwatch.measure("vote", len(dataset.test_labels), "queries"):
        nearest, chosen = (
            Classification(vote, dataset.test_labels, neighbours.predict(vote), dataset.class_names)
            for vote in (Vote(1), chosen_vote)
        )

    return Experiment(
        dataset=dataset,
        model=model,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        threads=threads,
        history=history,
        samples=recorder.samples,
        held_out=held_out,
        index=index,
        test_queries=test_queries,
        test_codes=_one_encoding(test_queries, nearest.predictions),
        vote_scores=vote_scores,
        nearest=nearest,
        chosen=chosen,
        pixels=classify_by_pixels(dataset, threads=threads, stopwatch=stopwatch),
    )


def classify_by_pixels(
    dataset: Dataset, *, threads: int | None = None, stopwatch: Stopwatch | None = None
) -> Classification:
    """Classify the test set by the training image whose pixels are the most cosine-similar, k = 1.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    threads : int, optional
        Threads of the search; by default every processor that the process may use.
    stopwatch : Stopwatch, optional
        Measures the stages.

    Returns
    -------
    Classification
        The baseline that codes have to beat.
    """
    stopwatch = stopwatch or Stopwatch()
    train_pixels, test_pixels = (
        images.reshape(len(images), -1) for images in (dataset.train_images, dataset.test_images)
    )
    with stopwatch.measure("build index of pixels", len(train_pixels), "images"):
        index = CosineIndex.from_codes(train_pixels, dataset.train_labels, threads=threads)
    with stopwatch.measure("search pixels, k = 1", len(test_pixels), "queries"):
        neighbours = find_neighbours(index, test_pixels, 1, len(dataset.class_names))
    return Classification(Vote(1), dataset.test_labels, neighbours.predict(Vote(1)), dataset.class_names)


def _possible_votes(indexes: Iterable[CosineIndex], queries: NDArray[np.float32]) -> list[Vote]:
    """Return the candidates for whose neighbours every index has enough codes."""
    # If classes are searched one by one, a class gives at most as many neighbours as it has codes. A class of
    # a single image may be held out; then only one of the indexes shows how small it is.
    sizes = [
        len(index) if queries.ndim == 2 else np.unique(np.asarray(index.labels), return_counts=True)[1].min()
        for index in indexes
    ]
    return [vote for vote in CANDIDATES if vote.k <= min(sizes)]


def _under_classes(index: CosineIndex, queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the queries; of a conditional model's encodings, those under the classes that an index has."""
    return queries if queries.ndim == 2 else queries[index.classes]


def _one_encoding(queries: NDArray[np.float32], classes: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    return queries if queries.ndim == 2 else queries[classes, np.arange(len(classes))]
