"""How deep patterns are and which operators they need (`Listed`), by list of rules; made
by tools/operators.py.

A test fails when it is stale.
"""

DEPTHS = {
    "norms.NORMS": 4,
    "lower.BATCH_NORMS": 1,
    "lower.ERRORS": 1,
    "spelled_out.SPELLED_OUT": 1,
    "spelled_scales.SCALES": 1,
    "weight_only.WEIGHT_ONLY": 2,
    "arithmetic.IDENTITIES": 2,
    "reshaping.RESHAPES": 2,
    "activation.CLAMPS_NAMED": 2,
    "rows.ROWS": 5,
    "lookups.TABLES": 1,
    "byte_tables.BYTE_TABLES": 2,
    "recompose.RECOMPOSE": 9,
    "layer_norm.LAYER_NORMS": 9,
    "attention.ATTENTIONS": 5,
    "activation.ACTIVATIONS": 3,
    "swishes.SWISHES": 2,
    "padding.PADDING": 2,
    "windows.WINDOWS": 2,
}
NEEDS = {
    "norms.NORMS": (
        "batch_norm conv_2d|conv_3d|depthwise_conv_2d|fully_connected, conv_2d|conv_3d|"
        "depthwise_conv_2d|fully_connected layer_norm"
    ),
    "lower.BATCH_NORMS": "batch_norm",
    "lower.ERRORS": "erf",
    "spelled_out.SPELLED_OUT": "concatenation, l2_pool_2d, layer_norm, stablehlo_case",
    "spelled_scales.SCALES": (
        "batch_matmul|bidirectional_sequence_lstm|bidirectional_sequence_rnn|conv_2d|"
        "depthwise_conv_2d|embedding_lookup|fully_connected|lstm|lstm_layer|rnn|svdf|"
        "transpose_conv|unidirectional_sequence_lstm|unidirectional_sequence_rnn, concatenation, "
        "conv_2d|depthwise_conv_2d|fully_connected, dequantize, quantize"
    ),
    "weight_only.WEIGHT_ONLY": "dequantize fully_connected",
    "arithmetic.IDENTITIES": (
        "add, add_n, broadcast_to, cast, concatenation, div, dynamic_update_slice, maximum, "
        "minimum, mul, neg, pad, pow, quantize, resize_bilinear|resize_nearest_neighbor, slice, "
        "strided_slice, sub, tile"
    ),
    "reshaping.RESHAPES": (
        "expand_dims|squeeze, mean|reduce_max|reduce_min|reduce_prod|sum, reshape, transpose"
    ),
    "activation.CLAMPS_NAMED": "maximum, minimum relu, relu|relu6|relu_0_to_1|relu_n1_to_1",
    "rows.ROWS": "add concatenation reshape slice",
    "lookups.TABLES": "embedding_lookup",
    "byte_tables.BYTE_TABLES": "mul",
    "recompose.RECOMPOSE": (
        "div, exp log sub sum, greater|greater_equal select|select_v2, log softmax, mul"
    ),
    "layer_norm.LAYER_NORMS": (
        "add div mean mul sqrt sub, add div mean pow sqrt sub, add div mean sqrt square sub, add "
        "div mean sqrt squared_difference sub, add layer_norm, add mean mul neg rsqrt "
        "squared_difference, add mean mul rsqrt sub, layer_norm mul"
    ),
    "attention.ATTENTIONS": "attention transpose, batch_matmul softmax",
    "activation.ACTIVATIONS": (
        "add|average_pool_2d|conv_2d|conv_3d|conv_3d_transpose|dense_by_integers|"
        "depthwise_conv_2d|div|fully_connected|l2_pool_2d|max_pool_2d|mul|sub|transpose_conv "
        "relu|relu6|relu_n1_to_1"
    ),
    "swishes.SWISHES": "logistic mul",
    "padding.PADDING": "pad, padv2",
    "windows.WINDOWS": (
        "conv_2d|depthwise_conv_2d pad, conv_2d|depthwise_conv_2d padv2, max_pool_2d pad, "
        "max_pool_2d padv2"
    ),
}
