"""What OpenMMLab's own packages need beside a newer torch; nothing on their maintained continuation.

Since torch 2.6 :func:`torch.load` builds tensors and plain containers only, unless told more. What mmengine's runner
saves holds more: the log histories of the message hub, and numbers and small arrays of numpy. The continuation tells
torch of them. OpenMMLab's last mmengine, 0.10.7, does not: there ``mmengine.runner.load_checkpoint``,
``Runner.resume``, and with them ``init_detector``, ``init_model`` and the inferencers, refuse every checkpoint that a
training wrote. ``import llv`` tells torch instead, for the whole process.

Reading stays restricted: a file can name nothing but what is listed here, which builds arrays and looks up the public
methods of a log history.
"""

# `import llv` says in one sentence that torch or mmengine is missing, so this file can be imported without them.
from __future__ import annotations

import pickle
from typing import Any

from .environment import is_continuation


def _history_method(owner: Any, name: str) -> Any:
    """Stands for `getattr` while a checkpoint is read: mmengine's log histories refer to their methods by it."""
    from mmengine.logging import HistoryBuffer

    if owner is not HistoryBuffer or name.startswith('_'):
        raise pickle.UnpicklingError(
            f'GLOBAL getattr({owner!r}, {name!r}) is not allowed with weights_only'
        )
    return getattr(HistoryBuffer, name)


def runner_globals() -> list[Any]:
    """What mmengine's runner saves beside tensors and containers, in the form of ``torch.serialization.safe_globals``.

    numpy 1 files its functions under another module than numpy 2; both names are there, as a file may come from either.
    """
    import numpy as np
    from mmengine.logging import HistoryBuffer

    # asked of numpy by what it pickles: numpy 1.26 has an empty `numpy._core` beside its `numpy.core`
    functions = [np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]]
    named = [
        (function, f'numpy.{part}.multiarray.{function.__name__}')
        for function in functions
        for part in ('core', '_core')
    ]
    dtypes = {type(np.dtype(kind)) for kind in np.typecodes['AllInteger'] + 'efd?'}
    return [
        HistoryBuffer,
        (_history_method, 'builtins.getattr'),
        np.ndarray,
        np.dtype,
        *named,
        *dtypes,
    ]


def allow_runner_checkpoints() -> None:
    """Let :func:`torch.load` open the checkpoints of mmengine's runner, where OpenMMLab's own mmengine needs it.

    Does nothing on the continuation, and nothing before torch 2.6, which opens them by itself.
    """
    if is_continuation():
        return
    import torch

    version = tuple(int(part) for part in torch.__version__.split('.')[:2])
    if version >= (2, 6):
        torch.serialization.add_safe_globals(runner_globals())
