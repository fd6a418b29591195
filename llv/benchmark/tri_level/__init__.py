"""The study of training in three levels (TriCo): arms, decoys, baselines and what is reported of them."""
