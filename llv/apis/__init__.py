"""What most users call: get an enhancer, light pictures, put an enhancer before any mm model."""

from .enhancers import enhancer_config, init_enhancer, registered_enhancers
from .inference import enhance
from .plug import clear_pretrained, plug_enhancer

__all__ = [
    'clear_pretrained',
    'enhance',
    'enhancer_config',
    'init_enhancer',
    'plug_enhancer',
    'registered_enhancers',
]
