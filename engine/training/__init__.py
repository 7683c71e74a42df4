"""Labels → a model, and what it is worth.

In: labelled texts. Out: a model folder, its card, drift, the texts most worth a label.
"""
