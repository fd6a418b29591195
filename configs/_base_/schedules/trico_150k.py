# TriCo's training in three levels at its published settings: 150 000 iterations, of which the first 15 000 move the
# hyper-variables ς too; ς with Adam at 1e-4, all weights at 2e-4 in the first stage and from 1e-4 down in the second.
# The paper says "cosine annealing restart"; the periods are those that make UltraIS's of the same authors, 46 000 and
# 104 000, after our 15 000 at a constant rate. `train_cfg.upper_dataloader` is left to the configs, as no base may read
# another's.
train_cfg = dict(
    type='llv.PhasedGradientResponseLoop',
    max_iters=150000,
    s1_iters=15000,
    hyper_optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.999)),
    val_interval=5000,
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=2e-4, betas=(0.9, 0.999)),
    clip_grad=dict(max_norm=0.01),
)
# whoever trains shorter, changes `begin`, `end` and `periods` too
param_scheduler = [
    dict(
        type='CosineRestartLR',
        by_epoch=False,
        begin=15000,
        end=150000,
        periods=[31000, 104000],
        restart_weights=[0.5, 0.5],
        eta_min=1e-6,
    )
]
