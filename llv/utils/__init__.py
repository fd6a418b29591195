"""What everything else uses: checkpoints, configs, errors, pictures; and the entry of mmengine's hub."""

from .registration import register_all_modules

__all__ = ['register_all_modules']
