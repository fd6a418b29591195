import torch
import toy_training as toy
from mmengine.config import Config

from llv.engine.settings import RunOptions, build_runner

ONE = 'train_cfg.update(max_epochs=1)'


def test_bfloat16_on_the_cpu_stays_close(tmp_path):
    seen = []

    def run(amp):
        cfg = Config.fromstring(toy.config(workers=0, extra=ONE), '.py')
        cfg.work_dir = str(tmp_path / str(amp))
        runner = build_runner(cfg, RunOptions(amp=amp))
        layer = runner.model.enhancer
        layer.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
        runner.train()
        return runner.model

    plain, amp = run(False), run(True)
    assert set(seen[:10]) == {torch.float32} and torch.bfloat16 in seen[10:]
    for a, b in zip(plain.parameters(), amp.parameters(), strict=True):
        assert b.dtype == torch.float32 and torch.isfinite(b).all()
        torch.testing.assert_close(a, b, atol=0.05, rtol=0.05)
