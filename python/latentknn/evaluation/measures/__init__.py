"""The measures of an evaluation, one a file: its result, its definition and where that comes from."""
