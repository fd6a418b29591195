"""gradio and the server below it, told before it is imported to ask nothing of the network."""

from __future__ import annotations

import os

from llv.utils.environment import extra

os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
os.environ['HF_HUB_DISABLE_TELEMETRY'] = '1'

try:
    import fastapi
    import gradio
    import uvicorn
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'The page needs `{error.name}`, of the extra `app`: {extra("app")}.',
        name=error.name,
    ) from error

__all__ = ['fastapi', 'gradio', 'uvicorn']
