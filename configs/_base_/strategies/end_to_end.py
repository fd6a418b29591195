# Enhancer and detector together from the start, with the task loss ℓ_t alone.
frozen = False
scene_loss = 0.0
upstream = []
