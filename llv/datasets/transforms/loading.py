"""Loading the well-lit partner of a picture."""

import mmcv
from mmcv.transforms import BaseTransform

from llv.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadReference(BaseTransform):
    """Read ``results['reference_path']`` into ``results['reference']``, (H, W, 3) uint8 BGR like mmcv's ``img``.

    Raises:
        KeyError: The data set gives no ``reference_path``.
        FileNotFoundError: The file is not there.
        ValueError: The file is no picture.
    """

    def transform(self, results: dict) -> dict:
        """Add ``reference``."""
        if 'reference_path' not in results:
            raise KeyError(
                '`LoadReference` found no `reference_path`; give the data set a reference folder or remove the '
                'transform.'
            )
        path = results['reference_path']
        picture = mmcv.imread(path, flag='color', channel_order='bgr')
        if picture is None:
            raise ValueError(
                f'The reference `{path}` cannot be read as a picture; fetch or save it again.'
            )
        results['reference'] = picture
        return results
