"""Models in memory. What needs Keras is skipped without it; CONTRIBUTING.md says how to run it."""
