"""Rules against texts and events.

In: rules and blocks of texts or events. Out: which rule fires on which row (`fired.Fired`).
"""
