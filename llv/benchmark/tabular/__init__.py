"""Cooperative search on a table: all networks of a small space are trained, so the regret of a search is known."""
