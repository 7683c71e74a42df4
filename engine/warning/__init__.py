"""Scores over time → warnings.

In: scores of records in the order of their times. Out: `findings.EarlyWarning`, with its promise kept.
"""
