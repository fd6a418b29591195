"""What is trained once, or not at all, and then judges the results of others."""

from .attachment import Attachment, attach, judged
from .batch_correlation_model import BatchCorrelationModel
from .batch_correlation_module import BatchCorrelationModule
from .pooled_l1_loss import PooledL1Loss
from .sample_relation_loss import SampleRelationLoss

__all__ = [
    'Attachment',
    'BatchCorrelationModel',
    'BatchCorrelationModule',
    'PooledL1Loss',
    'SampleRelationLoss',
    'attach',
    'judged',
]
