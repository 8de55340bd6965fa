"""Functions that `.tflite` has no operator for, written with those that it has, for all frontends.

Each takes the `Context` and Values, and gives Values; what it needs of a layer or an operation its
handler reads. What cannot be written raises `Unsupported`.
"""
