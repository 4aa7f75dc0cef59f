"""Batch scoring: many images through one service into one table, nothing lost and nothing twice."""
