"""What a run was asked for, as it stands in the folder of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import msgspec

from latentknn.cli.errors import CommandError
from latentknn.report import RunFolder

_MUST_STAY = ("dataset", "model", "batch_size", "seed", "image_size")
"""Settings, beside the model's options, that a resumed run cannot change; its training checks the images."""


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run, as the options of the command name them.

    Attributes
    ----------
    dataset, model : str
        Their names.
    options : dict
        Options of the model.
    batch_size : int or None
        Images of a batch; None: the model's own.
    seed : int
        Seed of everything random.
    image_size : pair of int, or None
        Height and width that pictures are resized to.
    data : str or None
        Path of the data, where they are the user's own.
    epochs : int
        Epochs to train.
    patience : int or None
        Epochs in a row without a lower held-out loss after which the training ends; None: all are trained.
    threads : int or None
        Threads to use; None: every processor.
    """

    dataset: str = "fashion_mnist"
    model: str = "conv_ae"
    options: dict[str, Any] = field(default_factory=dict)
    batch_size: int | None = None
    seed: int = 0
    image_size: tuple[int, int] | None = None
    data: str | None = None
    epochs: int = 5
    patience: int | None = None
    threads: int | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> RunSettings:
        """Return the settings that were given, and the defaults of the others, which are None."""
        return cls(**{name: value for name, value in given.items() if value is not None})

    @classmethod
    def resumed(cls, folder: RunFolder, given: Mapping[str, Any]) -> RunSettings:
        """Return the settings of the run in a folder, with those that were given and may change.

        Raises
        ------
        CommandError
            If the folder holds no settings, or others were given that must stay what they are.
        """
        found = cls.read(folder)
        named = {name: value for name, value in given.items() if value is not None}
        named["options"] = found.options | given["options"]
        asked = cls(**{each.name: named.get(each.name, getattr(found, each.name)) for each in fields(cls)})
        differences = list(_differences(found, asked))
        if differences:
            raise CommandError(
                f"the run in {folder.path} cannot be resumed with other settings: {'; '.join(differences)}. "
                "Leave them out to go on with its own, or give --out another folder to begin a run with them"
            )
        return asked

    @classmethod
    def read(cls, folder: RunFolder) -> RunSettings:
        """Read what `write` wrote, or version 0.1, which did not write what may change.

        Raises
        ------
        CommandError
            If the file is missing or damaged.
        """
        try:
            found = msgspec.json.decode(folder.settings.read_bytes(), type=cls)
        except OSError as error:
            raise CommandError(f"{folder.path} holds no run that could be resumed: {error}") from error
        except msgspec.MsgspecError as error:
            raise CommandError(f"{folder.settings} holds no settings of a run: {error}") from error
        return replace(found, options={name: _as_tuple(value) for name, value in found.options.items()})

    def write(self, folder: RunFolder) -> None:
        """Write the settings into the folder of their run, which is made if it does not exist."""
        folder.path.mkdir(parents=True, exist_ok=True)
        text = msgspec.json.format(msgspec.json.encode(asdict(self)), indent=2)
        folder.settings.write_bytes(text + b"\n")


def _differences(found: RunSettings, asked: RunSettings) -> Iterator[str]:
    """Yield what differs between a run and what is asked for, and must not."""
    before = asdict(found) | found.options
    now = asdict(asked) | asked.options
    for name in (*_MUST_STAY, *sorted(asked.options)):
        if _as_tuple(before.get(name)) != _as_tuple(now[name]):
            was = "was not given" if before.get(name) is None else f"was {before[name]!r}"
            yield f"{name} {was} and is {now[name]!r}"


def _as_tuple(value: Any) -> Any:
    """Return a value with tuples for lists, as which JSON holds them."""
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value
