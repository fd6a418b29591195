"""What most users call: get an enhancer, light pictures, put an enhancer before any mm model."""

from .convert import convert_official
from .enhancers import enhancer_config, init_enhancer, registered_enhancers
from .export import compare_onnx, export_onnx
from .inference import enhance
from .inferencers import EnhanceInferencer
from .large import OutOfMemory
from .plug import clear_pretrained, plug_enhancer
from .plugged_inferencers import plug_inferencer, show_enhanced
from .sheets import comparison_sheet, init_enhancers
from .temporal import SteadyLight
from .video import VideoReport, enhance_video
from .video_colours import VideoError

__all__ = [
    'EnhanceInferencer',
    'OutOfMemory',
    'SteadyLight',
    'VideoError',
    'VideoReport',
    'clear_pretrained',
    'compare_onnx',
    'comparison_sheet',
    'convert_official',
    'enhance',
    'enhance_video',
    'enhancer_config',
    'export_onnx',
    'init_enhancer',
    'init_enhancers',
    'plug_enhancer',
    'plug_inferencer',
    'registered_enhancers',
    'show_enhanced',
]
