"""llv — low-light vision on OpenMMLab.

A picture taken in the dark comes in, an enhancer lights it, any mm model works on it, and one loss teaches both.
"""

from .utils.compat import allow_runner_checkpoints
from .utils.environment import check_stack, resolve_packages
from .version import __version__

check_stack()
resolve_packages()
allow_runner_checkpoints()

__all__ = ['__version__']
