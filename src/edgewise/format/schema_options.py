"""Option tables of the TFLite schema, one row each, and the two unions that hold them.

Row syntax: see `edgewise.format.schema`. A member's position in a union, counted from 1, is
its type code; that is why the order is the schema's and not the alphabet's.

Source: schema.fbs of LiteRT 2.3 (Apache-2.0).
"""

from __future__ import annotations

_ACT = "fused_activation_function:ActivationFunctionType"

OPTION_ROWS: dict[str, str] = {
    "Conv2DOptions": f"padding:Padding stride_w:int stride_h:int {_ACT} dilation_w_factor:int=1"
    " dilation_h_factor:int=1 quantized_bias_type:TensorType",
    "Conv3DOptions": f"padding:Padding stride_d:int stride_w:int stride_h:int {_ACT}"
    " dilation_d_factor:int=1 dilation_w_factor:int=1 dilation_h_factor:int=1",
    "Pool2DOptions": "padding:Padding stride_w:int stride_h:int filter_width:int"
    f" filter_height:int {_ACT}",
    "DepthwiseConv2DOptions": "padding:Padding stride_w:int stride_h:int depth_multiplier:int"
    f" {_ACT} dilation_w_factor:int=1 dilation_h_factor:int=1",
    "ConcatEmbeddingsOptions": "num_channels:int num_columns_per_channel:[int]"
    " embedding_dim_per_channel:[int]",
    "LSHProjectionOptions": "type:LSHProjectionType",
    "SVDFOptions": f"rank:int {_ACT} asymmetric_quantize_inputs:bool",
    "RNNOptions": f"{_ACT} asymmetric_quantize_inputs:bool",
    "SequenceRNNOptions": f"time_major:bool {_ACT} asymmetric_quantize_inputs:bool",
    "BidirectionalSequenceRNNOptions": f"time_major:bool {_ACT} merge_outputs:bool"
    " asymmetric_quantize_inputs:bool",
    "FullyConnectedOptions": f"{_ACT} weights_format:FullyConnectedOptionsWeightsFormat"
    " keep_num_dims:bool asymmetric_quantize_inputs:bool quantized_bias_type:TensorType"
    " quant_spec:[ubyte]",
    "SoftmaxOptions": "beta:float",
    "ConcatenationOptions": f"axis:int {_ACT}",
    "AddOptions": f"{_ACT} pot_scale_int16:bool=1",
    "MulOptions": _ACT,
    "L2NormOptions": _ACT,
    "LocalResponseNormalizationOptions": "radius:int bias:float alpha:float beta:float",
    "LSTMOptions": f"{_ACT} cell_clip:float proj_clip:float kernel_type:LSTMKernelType"
    " asymmetric_quantize_inputs:bool",
    "UnidirectionalSequenceLSTMOptions": f"{_ACT} cell_clip:float proj_clip:float"
    " time_major:bool asymmetric_quantize_inputs:bool diagonal_recurrent_tensors:bool",
    "BidirectionalSequenceLSTMOptions": f"{_ACT} cell_clip:float proj_clip:float"
    " merge_outputs:bool time_major:bool=1 asymmetric_quantize_inputs:bool",
    "ResizeBilinearOptions": "new_height:int(deprecated) new_width:int(deprecated)"
    " align_corners:bool half_pixel_centers:bool",
    "ResizeNearestNeighborOptions": "align_corners:bool half_pixel_centers:bool",
    "CallOptions": "subgraph:uint",
    "ReshapeOptions": "new_shape:[int]",
    "SkipGramOptions": "ngram_size:int max_skip_size:int include_all_ngrams:bool",
    "SpaceToDepthOptions": "block_size:int",
    "DepthToSpaceOptions": "block_size:int",
    "SubOptions": f"{_ACT} pot_scale_int16:bool=1",
    "DivOptions": _ACT,
    "EmbeddingLookupSparseOptions": "combiner:CombinerType",
    "GatherOptions": "axis:int batch_dims:int",
    "ReducerOptions": "keep_dims:bool",
    "SqueezeOptions": "squeeze_dims:[int]",
    "SplitOptions": "num_splits:int",
    "SplitVOptions": "num_splits:int",
    "StridedSliceOptions": "begin_mask:int end_mask:int ellipsis_mask:int new_axis_mask:int"
    " shrink_axis_mask:int offset:bool",
    "CastOptions": "in_data_type:TensorType out_data_type:TensorType",
    "ArgMaxOptions": "output_type:TensorType",
    "ArgMinOptions": "output_type:TensorType",
    "TransposeConvOptions": f"padding:Padding stride_w:int stride_h:int {_ACT}"
    " quantized_bias_type:TensorType",
    "SparseToDenseOptions": "validate_indices:bool",
    "ShapeOptions": "out_type:TensorType",
    "FakeQuantOptions": "min:float max:float num_bits:int narrow_range:bool",
    "PackOptions": "values_count:int axis:int",
    "OneHotOptions": "axis:int",
    "UnpackOptions": "num:int axis:int",
    "LeakyReluOptions": "alpha:float",
    "MirrorPadOptions": "mode:MirrorPadMode",
    "UniqueOptions": "idx_out_type:TensorType=2",
    "ReverseSequenceOptions": "seq_dim:int batch_dim:int",
    "IfOptions": "then_subgraph_index:int else_subgraph_index:int",
    "CallOnceOptions": "init_subgraph_index:int",
    "WhileOptions": "cond_subgraph_index:int body_subgraph_index:int",
    "BatchMatMulOptions": "adj_x:bool adj_y:bool asymmetric_quantize_inputs:bool",
    "CumsumOptions": "exclusive:bool reverse:bool",
    "HashtableOptions": "table_id:int key_dtype:TensorType value_dtype:TensorType",
    "VarHandleOptions": "container:string shared_name:string",
    "RandomOptions": "seed:long seed2:long",
    "BucketizeOptions": "boundaries:[float]",
    "GeluOptions": "approximate:bool",
    "ReduceWindowOptions": "reduce_function:ReduceWindowFunction",
    "StableHLOCompositeOptions": "name:string decomposition_subgraph_index:int"
    " composite_attributes:[ubyte] composite_attributes_format:CustomOptionsFormat version:int",
    "StablehloGatherOptions": "offset_dims:[long] collapsed_slice_dims:[long]"
    " start_index_map:[long] index_vector_dim:long slice_sizes:[long] indices_are_sorted:bool",
    "StablehloTransposeOptions": "permutation:[long]",
    "StablehloDotGeneralOptions": "lhs_batching_dimensions:[long] rhs_batching_dimensions:[long]"
    " lhs_contracting_dimensions:[long] rhs_contracting_dimensions:[long]"
    " precision_config:[StablehloPrecisionConfig]",
    "StablehloReduceWindowOptions": "window_dimensions:[long] window_strides:[long]"
    " base_dilations:[long] window_dilations:[long] padding:[long] body_subgraph_index:int",
    "StablehloWhileOptions": "cond_subgraph_index:int body_subgraph_index:int",
    "StablehloSortOptions": "dimension:long is_stable:bool comparator_subgraph_index:int",
    "StablehloConcatenateOptions": "dimension:long",
    "StablehloBroadcastInDimOptions": "broadcast_dimensions:[long]",
    "StablehloCompareOptions": "comparison_direction:StablehloComparisonDirection"
    " compare_type:StablehloComparisonType",
    "StablehloDynamicSliceOptions": "slice_sizes:[long]",
    "StablehloPadOptions": "edge_padding_low:[long] edge_padding_high:[long]"
    " interior_padding:[long]",
    "StablehloIotaOptions": "iota_dimension:long",
    "StablehloCustomCallOptions": "call_target_name:string has_side_effect:bool"
    " backend_config:string api_version:int called_computations:[int] custom_attributes:[ubyte]",
    "StablehloReduceOptions": "dimensions:[long] body_subgraph_index:int",
    "StablehloSliceOptions": "start_indices:[long] limit_indices:[long] strides:[long]",
    "StablehloConvolutionOptions": "window_strides:[long] padding:[long] lhs_dilation:[long]"
    " rhs_dilation:[long] window_reversal:[bool] input_batch_dimension:long"
    " input_feature_dimension:long input_spatial_dimensions:[long]"
    " kernel_input_feature_dimension:long kernel_output_feature_dimension:long"
    " kernel_spatial_dimensions:[long] output_batch_dimension:long"
    " output_feature_dimension:long output_spatial_dimensions:[long] feature_group_count:long"
    " batch_group_count:long precision_config:[StablehloPrecisionConfig]",
    "StablehloScatterOptions": "indices_are_sorted:bool update_window_dims:[long]"
    " inserted_window_dims:[long] scatter_dims_to_operand_dims:[long] index_vector_dim:long"
    " unique_indices:bool update_computation_subgraph_index:int",
    "StablehloCaseOptions": "branch_subgraph_indices:[int]",
    "StablehloRngBitGeneratorOptions": "algorithm:RngAlgorithm",
}

_WITHOUT_FIELDS = """
PadOptions PadV2Options SpaceToBatchNDOptions BatchToSpaceNDOptions TopKV2Options TransposeOptions
ExpOptions CosOptions LogSoftmaxOptions DequantizeOptions MaximumMinimumOptions TileOptions
GreaterOptions GreaterEqualOptions LessOptions LessEqualOptions NegOptions SelectOptions
SliceOptions ExpandDimsOptions EqualOptions NotEqualOptions RankOptions PowOptions LogicalOrOptions
AbsOptions HardSwishOptions LogicalAndOptions LogicalNotOptions FloorDivOptions SquareOptions
ZerosLikeOptions FillOptions FloorModOptions RangeOptions SquaredDifferenceOptions ReverseV2Options
AddNOptions GatherNdOptions WhereOptions MatrixDiagOptions QuantizeOptions MatrixSetDiagOptions
NonMaxSuppressionV4Options NonMaxSuppressionV5Options ScatterNdOptions SelectV2Options
DensifyOptions SegmentSumOptions BroadcastToOptions Rfft2dOptions HashtableFindOptions
HashtableImportOptions HashtableSizeOptions ReadVariableOptions AssignVariableOptions
DynamicUpdateSliceOptions UnsortedSegmentProdOptions UnsortedSegmentMaxOptions
UnsortedSegmentSumOptions ATan2Options UnsortedSegmentMinOptions SignOptions BitcastOptions
BitwiseXorOptions RightShiftOptions DilateOptions StablehloShiftLeftOptions
"""
OPTION_ROWS.update(dict.fromkeys(_WITHOUT_FIELDS.split(), ""))

BUILTIN_OPTIONS = """
Conv2DOptions DepthwiseConv2DOptions ConcatEmbeddingsOptions LSHProjectionOptions Pool2DOptions
SVDFOptions RNNOptions FullyConnectedOptions SoftmaxOptions ConcatenationOptions AddOptions
L2NormOptions LocalResponseNormalizationOptions LSTMOptions ResizeBilinearOptions CallOptions
ReshapeOptions SkipGramOptions SpaceToDepthOptions EmbeddingLookupSparseOptions MulOptions
PadOptions GatherOptions BatchToSpaceNDOptions SpaceToBatchNDOptions TransposeOptions
ReducerOptions SubOptions DivOptions SqueezeOptions SequenceRNNOptions StridedSliceOptions
ExpOptions TopKV2Options SplitOptions LogSoftmaxOptions CastOptions DequantizeOptions
MaximumMinimumOptions ArgMaxOptions LessOptions NegOptions PadV2Options GreaterOptions
GreaterEqualOptions LessEqualOptions SelectOptions SliceOptions TransposeConvOptions
SparseToDenseOptions TileOptions ExpandDimsOptions EqualOptions NotEqualOptions ShapeOptions
PowOptions ArgMinOptions FakeQuantOptions PackOptions LogicalOrOptions OneHotOptions
LogicalAndOptions LogicalNotOptions UnpackOptions FloorDivOptions SquareOptions ZerosLikeOptions
FillOptions BidirectionalSequenceLSTMOptions BidirectionalSequenceRNNOptions
UnidirectionalSequenceLSTMOptions FloorModOptions RangeOptions ResizeNearestNeighborOptions
LeakyReluOptions SquaredDifferenceOptions MirrorPadOptions AbsOptions SplitVOptions UniqueOptions
ReverseV2Options AddNOptions GatherNdOptions CosOptions WhereOptions RankOptions
ReverseSequenceOptions MatrixDiagOptions QuantizeOptions MatrixSetDiagOptions HardSwishOptions
IfOptions WhileOptions DepthToSpaceOptions NonMaxSuppressionV4Options NonMaxSuppressionV5Options
ScatterNdOptions SelectV2Options DensifyOptions SegmentSumOptions BatchMatMulOptions CumsumOptions
CallOnceOptions BroadcastToOptions Rfft2dOptions Conv3DOptions HashtableOptions
HashtableFindOptions HashtableImportOptions HashtableSizeOptions VarHandleOptions
ReadVariableOptions AssignVariableOptions RandomOptions BucketizeOptions GeluOptions
DynamicUpdateSliceOptions UnsortedSegmentProdOptions UnsortedSegmentMaxOptions
UnsortedSegmentMinOptions UnsortedSegmentSumOptions ATan2Options SignOptions BitcastOptions
BitwiseXorOptions RightShiftOptions
"""

BUILTIN_OPTIONS_2 = """
StablehloConcatenateOptions StablehloBroadcastInDimOptions StablehloSliceOptions
StablehloConvolutionOptions StablehloCustomCallOptions StablehloReduceOptions
StablehloScatterOptions StablehloCompareOptions StablehloDynamicSliceOptions StablehloPadOptions
StablehloIotaOptions StablehloDotGeneralOptions StablehloReduceWindowOptions StablehloSortOptions
StablehloWhileOptions StablehloGatherOptions StablehloTransposeOptions DilateOptions
StablehloRngBitGeneratorOptions ReduceWindowOptions StableHLOCompositeOptions
StablehloShiftLeftOptions StablehloCaseOptions
"""
