"""Errors while a data set is loaded."""


class DatasetNotFoundError(FileNotFoundError):
    """No source has the data set; the message lists every way to get it."""


class DatasetCorruptError(ValueError):
    """A file of a data set is not what it should be; the message names the file and what was expected."""
