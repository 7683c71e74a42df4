"""Scores → alerts and incidents, with their evidence.

In: scored texts and a policy. Out: `findings.Alert`, `findings.Incident`.
"""
