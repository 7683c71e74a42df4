"""What everything stands on: whole files, frames on disk and in chunks, the user's cache, kernels, timings.

In: bytes, frames, functions. Out: the same, kept or compiled. Knows nothing of records, rules or scores.
"""
