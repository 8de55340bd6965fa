"""The command line: the same functions as the Python API, one file per verb."""
