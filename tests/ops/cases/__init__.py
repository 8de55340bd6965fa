"""One table of cases per operator family: `CASES` in each module."""
