"""Two gloo processes that test a model with pictures; here because spawned processes import it by name."""

import os
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel, ImgDataPreprocessor
from mmengine.registry import DATASETS, METRICS, VISUALIZERS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from mmengine.visualization import Visualizer

from llv.engine.hooks.enhanced_visualization_hook import EnhancedVisualizationHook
from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.models.enhancers import FixedGain

COUNT = 3


class Echo(BaseModel):
    """Hands its samples back, and notes whether anybody watches its enhancer."""

    watched = 0

    def forward(self, inputs, data_samples=None, mode='tensor'):
        self.watched = len(self.data_preprocessor.enhancer._forward_hooks)
        return data_samples


@DATASETS.register_module()
class GreyPictures:
    """Ten pictures of one grey each."""

    def __init__(self, root):
        self.root = Path(root)

    def __len__(self):
        return 10

    def get_data_info(self, index):
        return dict(img_path=str(self.root / f'{index}.png'))

    def __getitem__(self, index):
        path = self.get_data_info(index)['img_path']
        picture = torch.from_numpy(cv2.imread(path)).permute(2, 0, 1)
        meta = dict(img_path=path, ori_shape=tuple(picture.shape[1:]))
        return dict(inputs=picture, data_samples=BaseDataElement(metainfo=meta))


@METRICS.register_module()
class NoMetric(BaseMetric):
    """Measures nothing."""

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {}


@VISUALIZERS.register_module()
class Inverting(Visualizer):
    """Draws by inverting, in the first process alone, as all visualizers of mm packages."""

    @master_only
    def add_datasample(self, name, image, data_sample, draw_gt=True, out_file=None):
        cv2.imwrite(out_file, 255 - image[..., ::-1])


def show(rank, world, port, root):
    """Test in one of the processes."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='localhost', MASTER_PORT=str(port))
    torch.distributed.init_process_group('gloo', rank=rank, world_size=world)
    pictures = Path(root, 'pictures')
    if rank == 0:
        pictures.mkdir()
        for i in range(10):
            cv2.imwrite(str(pictures / f'{i}.png'), np.full((8, 12, 3), 10 + i, np.uint8))
    torch.distributed.barrier()
    model = Echo(
        EnhancedDataPreprocessor(FixedGain(2.0), ImgDataPreprocessor(), channel_order='bgr')
    )
    loader = dict(
        dataset=dict(type='GreyPictures', root=str(pictures)),
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_size=2,
        num_workers=0,
        collate_fn=dict(type='pseudo_collate'),
    )
    runner = Runner(
        model,
        str(Path(root, 'work')),
        test_dataloader=loader,
        test_evaluator=dict(type='NoMetric'),
        test_cfg=dict(),
        visualizer=dict(type='Inverting', name=f'of_{rank}'),
        cfg=Config(),
    )
    runner.register_hook(EnhancedVisualizationHook(Path(root, 'shown'), count=COUNT))
    runner.test()
    Path(root, f'rank{rank}').write_text(str(model.watched))
    torch.distributed.destroy_process_group()
