"""What can go wrong between a data set's name and its arrays."""


class DatasetNotFoundError(FileNotFoundError):
    """A data set is in none of the places that were searched; the message lists every way to get it."""


class DatasetCorruptError(ValueError):
    """A file of a data set is not what it should be; the message names the file and what was expected."""
