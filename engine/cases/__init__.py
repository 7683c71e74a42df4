"""Past cases: look-up, import, lists.

In: a text, or files of cases. Out: the nearest past cases, a grown case base.
"""
