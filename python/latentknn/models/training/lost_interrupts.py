"""Ctrl-C ends a training even if a library has swallowed the exception."""

import signal
import threading
from types import FrameType
from typing import Any

from latentknn.models.backend import keras


class LostInterrupts(keras.callbacks.Callback):  # type: ignore[misc]
    """Raise an interruption of a training again that was lost on its way.

    Python raises ``KeyboardInterrupt`` in whatever the main thread runs just then. If that is a finaliser, of
    a graph that TensorFlow has no more use for, the exception is dropped, and the training would go on.

    It is a context around the training, and one of its callbacks. It adds to the handler of SIGINT that is
    there, and only in the main thread, where Python lets handlers be set. A callback that catches
    ``KeyboardInterrupt`` on purpose looks the same: who wants to go on after Ctrl-C sets a handler that does
    not raise.
    """

    def __enter__(self) -> "LostInterrupts":
        """Begin to listen."""
        self._raised: BaseException | None = None
        self._handler = signal.getsignal(signal.SIGINT)
        self._listens = callable(self._handler) and threading.current_thread() is threading.main_thread()
        if self._listens:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: Any) -> None:
        """Give the handler back; an interruption that was lost after the last batch is raised here."""
        # A handler that a callback has set in the meantime stays.
        if self._listens and signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, self._handler)
        if error is None:
            self._raise_again()
        # The exception would hold on to the frames of the training.
        self._raised = None

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise what was lost."""
        self._raise_again()

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise what was lost."""
        self._raise_again()

    def _note(self, number: int, frame: FrameType | None) -> None:
        assert callable(self._handler)
        try:
            self._handler(number, frame)
        except BaseException as error:
            self._raised = error
            raise

    def _raise_again(self) -> None:
        lost, self._raised = self._raised, None
        if lost is not None:
            raise lost
