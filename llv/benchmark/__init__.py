"""The matrix of enhancers, detectors, strategies and seeds: cells, their runs and their report."""
