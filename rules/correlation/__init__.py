"""Rules about rules: so many hits, such values, or several rules, within a span of time.

In: blocks of records and which rules fired on them. Out: which correlations each record completes, and what they rest
on. What is remembered is bounded, and can be saved.
"""
