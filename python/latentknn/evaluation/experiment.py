"""An experiment, which classifies a test set by the codes of an encoder that it may train before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.classification.neighbours import find_neighbours
from latentknn.classification.vote import Vote
from latentknn.datasets import Dataset, LabelledData
from latentknn.encoders import Encoder, ReadyCodes, TrainableEncoder, as_encoder, encode_by, name_of
from latentknn.evaluation.appearance import experiment_html, experiment_text
from latentknn.evaluation.choosing import CANDIDATES, VoteScore, best_vote, score_votes
from latentknn.evaluation.classification import Classification
from latentknn.evaluation.splitting import hold_out_share
from latentknn.evaluation.stages import Stopwatch
from latentknn.index import CosineIndex

_IMAGES_TO_IMITATE = 2000


@dataclass(frozen=True, eq=False)
class Experiment:
    """The settings and the results of an experiment.

    Attributes
    ----------
    dataset : Dataset or LabelledItems
        The data.
    model : Encoder
        The encoder: one of our models, or what `as_encoder` made.
    epochs : int
        Number of epochs, those before a resumed checkpoint included; 0 if the encoder was not trained.
    batch_size : int or None
        Items of a training batch; None if the encoder was not trained.
    seed : int
        Seed of the split.
    threads : int or None
        Threads of the searches; None stands for every processor that the process may use.
    history : dict of str to list of float
        Losses and metrics of every epoch; empty if the encoder was not trained.
    samples : dict of int to ndarray of float32, shape (n, H, W, C)
        Generated images after each epoch, counted from 1, of a model that can generate or decode.
    best_epoch : int or None
        The epoch, counted from 1, whose weights the encoder has if the training had a patience; otherwise
        None, and they are those of the last.
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
    pixels : Classification or None
        The baseline: the test set classified by the training image with the most similar pixels, k = 1. There
        is none where the data are no images.

    Examples
    --------
    >>> from latentknn.datasets import load
    >>> from latentknn.evaluation import run_experiment
    >>> experiment = run_experiment(load("digits"), lambda images: images.reshape(len(images), -1))
    >>> experiment
    Experiment('digits', function, 0 epochs, accuracy 0.9600 of 500 test images by k = 1)
    >>> list(experiment.results)
    ['raw pixels', 'codes', 'codes, chosen vote']
    """

    dataset: LabelledData
    model: Encoder
    epochs: int
    batch_size: int | None
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
    pixels: Classification | None
    best_epoch: int | None = None

    def __repr__(self) -> str:
        return experiment_text(self)

    def _repr_html_(self) -> str:
        return experiment_html(self)

    @property
    def results(self) -> dict[str, Classification]:
        """The classifications by name, the baseline first if there is one."""
        baseline = {} if self.pixels is None else {"raw pixels": self.pixels}
        return {**baseline, "codes": self.nearest, "codes, chosen vote": self.chosen}


def run_experiment(
    dataset: LabelledData,
    model: Any = None,
    *,
    epochs: int = 0,
    batch_size: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    checkpoint_dir: str | PathLike[str] | None = None,
    resume: bool = False,
    verbose: str | int = "auto",
    record_samples: bool = True,
    patience: int | None = None,
    callbacks: Iterable[Any] = (),
    stopwatch: Stopwatch | None = None,
) -> Experiment:
    """Train an encoder, index its codes, choose a vote and classify the whole test set once.

    A twelfth of the training images, stratified by class, is held out: the model is not trained on them,
    Keras computes the validation loss on them, and the vote is chosen among `CANDIDATES` by searching their
    codes among those of the other training images. The index that classifies the test set holds the codes of
    all training images, the held-out ones included. Nothing is chosen by the test set.

    Parameters
    ----------
    dataset : Dataset or LabelledItems
        Images or other items, and labels.
    model : ImageEncoder, or what `latentknn.encoders.as_encoder` takes
        An untrained model for images of that shape, or an encoder that was trained elsewhere: a Keras model,
        a function, ready codes. By default the items are codes already.
    epochs : int
        Epochs to train, those before a resumed checkpoint included; 0: the encoder is measured as it is.
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
    patience : int, optional
        Epochs in a row that may go by without a lower loss of the held-out images before the training ends.
        The encoder then has the weights of the epoch of the lowest loss, also if all epochs were trained.
    callbacks : iterable of keras.callbacks.Callback
        Further callbacks of the training.
    stopwatch : Stopwatch, optional
        Measures the stages.

    Returns
    -------
    Experiment

    Raises
    ------
    TypeError
        If `model` is nothing that `as_encoder` takes, or is to be trained and is none of our models.
    ValueError
        If the training set is too small to be split, or a patience is given for a model whose held-out loss
        does not rank its epochs, or whose learning rate has a cycle; see also `ImageEncoder.fit`.
    FloatingPointError
        If codes are not finite, as after a training that diverged.

    Examples
    --------
    >>> from latentknn.datasets import load
    >>> from latentknn.evaluation import run_experiment
    >>> experiment = run_experiment(load("digits"), lambda images: images.reshape(len(images), -1))
    >>> experiment.nearest.accuracy.value == experiment.pixels.accuracy.value
    True
    """
    stopwatch = stopwatch or Stopwatch()
    train_items, train_labels, unit = dataset.train_items, dataset.train_labels, dataset.unit
    class_count = len(dataset.class_names)
    kept, held_out = hold_out_share(train_labels, seed)
    encoder = ReadyCodes(train_items[:1]) if model is None else as_encoder(model)

    history: dict[str, list[float]] = {}
    best: int | None = None
    samples: dict[int, NDArray[np.float32]] = {}
    if epochs > 0:
        trainable = _check_trainable(encoder)
        batch_size = trainable.default_batch_size if batch_size is None else batch_size
        # This import is local, so that code which only measures codes needs no TensorFlow.
        from latentknn.evaluation.early_stopping import best_epoch, early_stopping
        from latentknn.evaluation.samples import SampleRecorder, new_history

        this_session = new_history()
        few = kept[:_IMAGES_TO_IMITATE]
        recorder = SampleRecorder(train_items[few], train_labels[few])
        stopping = None if patience is None else early_stopping(trainable, patience)
        generates = record_samples and not trainable.capabilities.isdisjoint({"generate", "decode"})
        with stopwatch.measure("train", 0, unit, shows_itself=True) as stage:
            history = trainable.fit(
                train_items[kept],
                train_labels[kept],
                batch_size=batch_size,
                epochs=epochs,
                verbose=verbose,
                callbacks=[
                    this_session,
                    *([recorder] if generates else []),
                    *([] if stopping is None else [stopping]),
                    *callbacks,
                ],
                validation_data=(train_items[held_out], train_labels[held_out]),
                checkpoint_dir=checkpoint_dir,
                resume=resume,
            ).history
            stage.items = len(this_session.epoch) * len(kept)
        samples = recorder.samples
        best = None if stopping is None else best_epoch(stopping)
    else:
        _refuse_training_options(
            batch_size=batch_size, checkpoint_dir=checkpoint_dir, resume=resume, patience=patience
        )

    with stopwatch.measure(f"encode training {unit}", len(train_items), unit) as stage:
        train_codes = encode_by(encoder.encode_labelled, train_items, train_labels, progress=stage.progress)
    with stopwatch.measure(f"encode test {unit}", len(dataset.test_items), unit) as stage:
        test_queries = encode_by(encoder.encode_queries, dataset.test_items, progress=stage.progress)
    if not (np.isfinite(train_codes).all() and np.isfinite(test_queries).all()):
        name = name_of(encoder)
        raise FloatingPointError(
            f"the training of {name} diverged: its codes are not finite; train with a lower learning rate"
            if epochs > 0
            else f"the codes of {name} are not finite; remove what it cannot encode, or mend the encoder"
        )
    with stopwatch.measure("build index", len(train_codes), "codes"):
        index = CosineIndex.from_codes(train_codes, train_labels, threads=threads)

    with stopwatch.measure("choose vote", len(held_out), "queries") as stage:
        among = CosineIndex.from_codes(train_codes[kept], train_labels[kept], threads=threads)
        queries = encoder.encode_queries(train_items[held_out])
        votes = _possible_votes((among, index), queries)
        most = max(vote.k for vote in votes)
        found = find_neighbours(
            among, _under_classes(among, queries), most, class_count, progress=stage.progress
        )
        vote_scores = score_votes(found, train_labels[held_out], votes)
    chosen_vote = best_vote(vote_scores)

    with stopwatch.measure(
        f"search codes, k = {chosen_vote.k}", len(dataset.test_labels), "queries"
    ) as stage:
        under_classes = _under_classes(index, test_queries)
        neighbours = find_neighbours(
            index, under_classes, chosen_vote.k, class_count, progress=stage.progress
        )
    with stopwatch.measure("vote", len(dataset.test_labels), "queries"):
        nearest, chosen = (
            Classification(vote, dataset.test_labels, neighbours.predict(vote), dataset.class_names)
            for vote in (Vote(1), chosen_vote)
        )

    return Experiment(
        dataset=dataset,
        model=encoder,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        threads=threads,
        history=history,
        samples=samples,
        best_epoch=best,
        held_out=held_out,
        index=index,
        test_queries=test_queries,
        test_codes=_one_encoding(test_queries, nearest.predictions),
        vote_scores=vote_scores,
        nearest=nearest,
        chosen=chosen,
        pixels=classify_by_pixels(dataset, threads=threads, stopwatch=stopwatch)
        if isinstance(dataset, Dataset)
        else None,
    )


def _check_trainable(encoder: Encoder) -> TrainableEncoder:
    if isinstance(encoder, TrainableEncoder):
        return encoder
    raise TypeError(
        f"{name_of(encoder)} is no model of latentknn.models, and an experiment trains these alone: train it "
        "first, and leave epochs out"
    )


def _refuse_training_options(**options: Any) -> None:
    given = [name for name, value in options.items() if value not in (None, False)]
    if given:
        raise ValueError(
            f"received {' and '.join(given)} without epochs: nothing is trained where epochs is 0"
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

    Examples
    --------
    >>> from latentknn.datasets import load
    >>> from latentknn.evaluation import classify_by_pixels
    >>> classify_by_pixels(load("digits")).accuracy.value
    0.96
    """
    stopwatch = stopwatch or Stopwatch()
    train_pixels, test_pixels = (
        images.reshape(len(images), -1) for images in (dataset.train_images, dataset.test_images)
    )
    with stopwatch.measure("build index of pixels", len(train_pixels), "images"):
        index = CosineIndex.from_codes(train_pixels, dataset.train_labels, threads=threads)
    with stopwatch.measure("search pixels, k = 1", len(test_pixels), "queries") as stage:
        neighbours = find_neighbours(index, test_pixels, 1, len(dataset.class_names), progress=stage.progress)
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
