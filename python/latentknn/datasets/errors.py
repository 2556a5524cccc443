"""Errors while a data set is loaded."""


class DatasetNotFoundError(FileNotFoundError):
    """No source has the data set; the message lists every way to get it.

    Examples
    --------
    >>> import tempfile
    >>> from latentknn.datasets import DatasetNotFoundError, load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         load("mnist", folder)
    ...     except DatasetNotFoundError as error:
    ...         print(folder in str(error))
    True
    """


class DatasetCorruptError(ValueError):
    """A file of a data set is not what it should be; the message names the file and what was expected.

    Examples
    --------
    >>> import os, tempfile
    >>> from latentknn.datasets import DatasetCorruptError, load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "mine.npz")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(b"no zip")
    ...     try:
    ...         load("mine", path)
    ...     except DatasetCorruptError as error:
    ...         print("mine.npz" in str(error))
    True
    """
