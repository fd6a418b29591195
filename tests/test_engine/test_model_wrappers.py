import torch

from llv.engine.model_wrappers import DistributedDataParallel


def test_wrapper_takes_models_on_the_cpu(tmp_path):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    try:
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.SyncBatchNorm(2))
        model = DistributedDataParallel(module=module, device_ids=[0], broadcast_buffers=False)
        model(torch.rand(2, 3, 4, 4)).square().sum().backward()
        assert model.device_ids is None
        assert all(p.grad is not None for p in model.parameters())
    finally:
        torch.distributed.destroy_process_group()
