"""Structured events: their fields as columns.

In: JSON events. Out: columns of values and log sources, as Sigma names them.
"""
