"""Fine-tuning of an encoder with a head.

In: labelled texts. Out: a fine-tuned network and its checkpoints.
"""
