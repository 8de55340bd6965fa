"""`.tflite` bytes to and from a Model: schema as data, FlatBuffer reader and writer.

`schema*` says what the tables are, `record` what they are in memory, `flatbuffer` decodes and
`build` encodes any of them, `container` does a whole file. Nothing outside this package sees
FlatBuffer bytes.
"""
