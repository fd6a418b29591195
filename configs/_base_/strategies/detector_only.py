# The baseline: no enhancer. A config of this strategy leaves the model's preprocessor as it is.
frozen = False
scene_loss = 0.0
upstream = []
