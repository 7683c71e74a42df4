"""Distinct texts → scores.

In: the texts frame. Out: signals, and one calibrated number for each text (`frames.SCORED`).
"""
