# Cooperative search of a scene module and the neck and head, or the feature conversion, of a network, with the numbers
# of RUAS's journal paper: one picture a step, 30 epochs, Adam for α with rate 3e-4, momenta 0.5 and 0.999, decay 5e-4.
# The optimizer of ω is that of the released search, for which the paper names none; its second level moves every tenth
# iteration there. What moves besides the scene module is named by `task`; the encoder stays as it is.
#
# `max_iters` is for half of the training pictures, and so are `indices` of the configs: α is judged by the other half.
train_cfg = dict(
    type='llv.CooperativeSearchLoop',
    beta=1.0,
    task_interval=10,
    # only the virtual step: the released search trains ω at a constant rate and without decay
    step_size=(0.005, 0.001),
    virtual_weight_decay=3e-4,
    arch_optimizer=dict(type='Adam', lr=3e-4, betas=(0.5, 0.999), weight_decay=5e-4),
    check_interval=500,
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.005, momentum=0.9),
    clip_grad=dict(max_norm=5, norm_type=2),
)
param_scheduler = None
