"""Mean intersection over union of any choice of pictures, some of them several times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CountedPictures:
    """Pixels of each picture by class.

    Attributes:
        common: (N, K) pixels that are of a class and were called so.
        predicted: (N, K) labelled pixels that were called so.
        labelled: (N, K) pixels of a class.
    """

    common: np.ndarray
    predicted: np.ndarray
    labelled: np.ndarray

    def among(self, members: np.ndarray) -> CountedPictures:
        """The same with nothing in pictures that are not among `members`, which then count in no choice."""
        inside = np.isin(np.arange(len(self.common)), members)[:, None]
        return CountedPictures(
            self.common * inside, self.predicted * inside, self.labelled * inside
        )

    def scores(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """mIoU of choices of pictures; with every weight 1 it is that of mmseg's ``IoUMetric``.

        Classes that a choice neither has nor is predicted to have are left out of its mean.

        Args:
            weights: (B, N) integers from 0, how often each picture counts.

        Returns:
            ``mIoU``, (B,) in percent; NaN where a choice has no labelled pixel.
        """
        weights = weights.astype(np.float64)  # exact below 2⁵³ pixels, and fast
        common = weights @ self.common
        either = weights @ (self.predicted + self.labelled) - common
        present = either > 0
        shares = np.divide(common, either, out=np.zeros_like(common), where=present)
        count = np.where(present.any(1), present.sum(1), np.nan)
        return dict(mIoU=100 * shares.sum(1) / count)


def count_pixels(
    predicted: np.ndarray, label: np.ndarray, classes: int, ignore_index: int = 255
) -> np.ndarray:
    """Pixels of one picture: common, predicted and labelled ones, (3, classes).

    Args:
        predicted, label: (H, W) integers.
        classes: Number of classes.
        ignore_index: Label of the pixels that do not count.
    """
    kept = label != ignore_index
    predicted, label = predicted[kept], label[kept]
    return np.stack(
        [
            np.bincount(values, minlength=classes)[:classes]
            for values in (predicted[predicted == label], predicted, label)
        ]
    )
