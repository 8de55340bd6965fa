"""Pre-trained models: weights read as data, networks built as Graphs."""
