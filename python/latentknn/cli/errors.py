"""Errors that a user can correct."""

from collections.abc import Iterator
from contextlib import contextmanager

NO_DATASET = (
    "On the command line: --data PATH names your files, and latentknn run --dataset digits works without any "
    "download."
)


class CommandError(Exception):
    """The user asked for something that cannot be done; the message says what to do instead."""


@contextmanager
def as_command_error(*errors: type[Exception]) -> Iterator[None]:
    """Turn errors of these types, raised in the block, into a `CommandError` of the same message.

    A closed pipe is no error of the user, though it is an OSError: `main` ends the command for it.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except errors as error:
        raise CommandError(error) from error
