# Enhancer and detector together from the start, with ℓ_t + λ·ℓ_s. `scene_loss` is λ; the RUAS paper gives no
# value, 1 is ours.
frozen = False
scene_loss = 1.0
upstream = []
