"""One module a format: JSON, delimited tables, Parquet.

In: decoded text or bytes. Out: texts, times and fields as columns.
"""
