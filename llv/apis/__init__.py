"""What most users call: get an enhancer, light pictures, put an enhancer before any mm model."""

from .convert import convert_official
from .enhancers import enhancer_config, init_enhancer, registered_enhancers
from .export import compare_onnx, export_onnx
from .inference import enhance
from .inferencers import EnhanceInferencer
from .plug import clear_pretrained, plug_enhancer
from .plugged_inferencers import plug_inferencer, show_enhanced

__all__ = [
    'EnhanceInferencer',
    'clear_pretrained',
    'compare_onnx',
    'convert_official',
    'enhance',
    'enhancer_config',
    'export_onnx',
    'init_enhancer',
    'plug_enhancer',
    'plug_inferencer',
    'registered_enhancers',
    'show_enhanced',
]
