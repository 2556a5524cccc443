"""The HTML page of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from latentknn.datasets import Dataset
from latentknn.encoders import TrainableEncoder, name_of, operations_of
from latentknn.evaluation import Experiment, Stage, compare_results
from latentknn.report.folder import RunFolder

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem 1.5rem .25rem 0; text-align: left; border-bottom: 1px solid #eee; }
td { font-variant-numeric: tabular-nums; }
tr.headline td { font-weight: bold; }
img { max-width: 100%; }
pre { overflow-x: auto; background: #f6f6f6; padding: 1rem; font-size: .85rem; }
figure { margin: 1rem 0; }
figcaption { color: #555; font-size: .9rem; }
"""


def make_page(
    experiment: Experiment, stages: Sequence[Stage], record: dict[str, Any], folder: RunFolder
) -> str:
    """Return the HTML of the page, which links the pictures and files beside it.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    stages : sequence of Stage
        The stages of the experiment and of the report, with their times.
    record : dict
        Record from `latentknn.report.record.make_record`.
    folder : RunFolder
        Folder of the pictures and of the page.
    """
    title = f"{name_of(experiment.model)} on {experiment.dataset.name}"
    operations, unit = operations_of(experiment.model), experiment.dataset.unit
    sections = [
        f"<h1>{escape(title)}</h1>",
        _introduction(experiment),
        "<h2>Accuracy on the test set</h2>",
        _accuracies(experiment),
        *(_paragraph(comparison.sentence) for comparison in compare_results(experiment)),
        _paragraph(
            f"The vote in the last line was chosen on {len(experiment.held_out):,} held-out training {unit}"
            f"{_seen_before(experiment)}"
        ),
        "<h2>Confusion matrix</h2>",
        _picture(folder.confusion_matrix, "The chosen vote; rows are true classes, columns predicted ones."),
    ]
    if experiment.history:
        sections += [
            "<h2>Training</h2>",
            _picture(
                folder.losses,
                f"After every epoch. The loss on training {unit} is a mean over the epoch, with dropout and "
                "the like switched on.",
            ),
        ]
    if "reconstruct" in operations and isinstance(experiment.dataset, Dataset):
        sections += [
            "<h2>Reconstructions</h2>",
            _picture(folder.reconstructions, "Test images and what the decoder makes of their codes."),
            _picture(folder.codes, "Test images, their codes as squares of coloured cells, and the decoded."),
        ]
    if "decode" in operations and isinstance(experiment.dataset, Dataset):
        sections += [
            "<h2>Between two codes</h2>",
            _picture(
                folder.interpolation,
                "Decoded from codes at even steps on the straight line between the codes of two test images.",
            ),
        ]
    if experiment.samples:
        sections += [
            "<h2>Generated images</h2>",
            _picture(folder.samples, f"After some of the epochs. {_origin_of_samples(experiment)}"),
        ]
    sections += [
        "<h2>Map of the codes</h2>",
        _picture(
            folder.code_map, "t-SNE of test codes by cosine similarity; distances between groups mean little."
        ),
        *_decoded_map(experiment, folder),
        "<h2>Choice of the vote</h2>",
        _choice(experiment),
        "<h2>Classification report</h2>",
        f"<pre>{escape(experiment.chosen.report_text())}</pre>",
        "<h2>Time</h2>",
        _stages(stages),
        "<h2>Environment</h2>",
        _environment(record),
        "<h2>Files</h2>",
        _files(experiment, folder),
    ]
    body = "\n".join(sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} · latentknn</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _decoded_map(experiment: Experiment, folder: RunFolder) -> list[str]:
    if "decode" not in operations_of(experiment.model) or not isinstance(experiment.dataset, Dataset):
        return []
    note = (
        "The same of the pixels that the decoder makes of these codes: what of their groups the images show."
    )
    return [_picture(folder.decoded_map, note)]


def _introduction(experiment: Experiment) -> str:
    dataset = experiment.dataset
    trained_on = len(dataset.train_items) - len(experiment.held_out)
    epochs = len(experiment.history.get("loss", ()))
    training = (
        f"Trained on {trained_on:,} {dataset.unit} for {epochs} {'epoch' if epochs == 1 else 'epochs'}, seed "
        f"{experiment.seed}.{_best_epoch(experiment)}"
        if experiment.epochs > 0
        else "The encoder was measured as it is; it was not trained here."
    )
    return _paragraph(
        f"{training} All {len(dataset.test_items):,} test {dataset.unit} were then classified by exact "
        f"cosine similarity to the codes of all {len(experiment.index):,} training {dataset.unit}. A "
        f"code has {experiment.index.dim} dimensions."
    )


def _best_epoch(experiment: Experiment) -> str:
    best = experiment.best_epoch
    return (
        "" if best is None else f" The weights are those of epoch {best}, which had the lowest held-out loss."
    )


def _seen_before(experiment: Experiment) -> str:
    if experiment.epochs > 0:
        return ", on which the model was not trained. The test set played no part in training or choosing."
    return ". On what the encoder was trained is not known here. The test set did not choose the vote."


def _accuracies(experiment: Experiment) -> str:
    rows = []
    for name, result in experiment.results.items():
        low, high = result.accuracy.interval()
        rows.append((name, str(result.vote), f"{result.accuracy.value:.4f}", f"{low:.4f} to {high:.4f}"))
    return _table(("", "vote", "accuracy", "95 % interval (Wilson)"), rows, headline=len(rows) - 1)


def _origin_of_samples(experiment: Experiment) -> str:
    if "generate" in operations_of(experiment.model):
        return "The images of a column have the same noise."
    return "Decoded from a mixture of normal distributions that was fitted to training codes."


def _choice(experiment: Experiment) -> str:
    rows = [
        (str(score.vote.k), score.vote.weights, f"{score.accuracy.value:.4f}")
        for score in experiment.vote_scores
    ]
    votes = [score.vote for score in experiment.vote_scores]
    headline = votes.index(experiment.chosen.vote)
    header = ("k", "weights", f"accuracy on held-out {experiment.dataset.unit}")
    return _table(header, rows, headline)


def _stages(stages: Sequence[Stage]) -> str:
    rows = [
        (stage.name, f"{stage.items:,} {stage.unit}", f"{stage.seconds:.2f} s", stage.rate_text)
        for stage in stages
    ]
    return _table(("stage", "", "time", "rate"), rows)


def _environment(record: dict[str, Any]) -> str:
    environment, index = record["environment"], record["index"]
    rows = [
        ("processor", environment["cpu"]),
        *(("graphics processor", gpu) for gpu in environment["gpus"]),
        ("threads", str(environment["threads"])),
        ("search", f"{index['engine']}, {index['strategy']} screening, {index['isa']}"),
        *environment["versions"].items(),
        ("finished", record["finished"]),
    ]
    return _table(("", ""), rows)


def _files(experiment: Experiment, folder: RunFolder) -> str:
    unit = experiment.dataset.unit
    saved = {folder.encoder: "the trained model, for latentknn.models.load"}
    descriptions = {
        **(saved if isinstance(experiment.model, TrainableEncoder) else {}),
        folder.index: f"codes and labels of the training {unit}, for latentknn.CosineIndex.load",
        folder.test_codes: f"codes, labels and predictions of the test {unit}",
        folder.record: "everything that was measured",
        folder.classification_report: "precision, recall and F1 of every class, for every line above",
    }
    items = "\n".join(
        f'<li><a href="{escape(path.name)}">{escape(path.name)}</a>: {escape(description)}</li>'
        for path, description in descriptions.items()
    )
    if folder.epochs.exists():
        what = "what the model rebuilt of held-out images, and generated, after every epoch"
        items += f'\n<li><a href="{folder.epochs.name}">{folder.epochs.name}</a>: {what}</li>'
    return f"<ul>\n{items}\n</ul>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _picture(path: Path, caption: str) -> str:
    return (
        f'<figure><img src="{escape(path.name)}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], headline: int | None = None) -> str:
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in header) + "</tr>"]
    for position, row in enumerate(rows):
        mark = ' class="headline"' if position == headline else ""
        lines.append(f"<tr{mark}>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"
