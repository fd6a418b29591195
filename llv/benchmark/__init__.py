"""The matrix of enhancers, models, strategies and seeds: cells, their runs and their report."""
