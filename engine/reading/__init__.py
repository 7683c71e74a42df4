"""Files → records.

In: paths. Out: blocks of the records frame (`frames.RECORDS`). Judges nothing.
"""
