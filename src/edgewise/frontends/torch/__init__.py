"""PyTorch programs as Models: the graph of ATen operations that `torch.export` gives.

`exported.py` reads an exported program of a running PyTorch into one description,
`program.Program`; `lower.py` makes operators of it with the handlers of its operations. What is
read is the training IR: operations as they are called (`conv2d`, `linear`, `layer_norm`,
`scaled_dot_product_attention`), not what they decompose into.
"""
