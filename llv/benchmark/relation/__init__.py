"""Does it help an enhancer that the samples of a batch are related to each other? A study with controls."""
