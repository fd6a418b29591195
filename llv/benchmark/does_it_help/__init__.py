"""Whether an enhancer helps a trained model: paired scores on the same pictures, with and without it."""
