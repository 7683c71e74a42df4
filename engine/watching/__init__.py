"""Growing files → warnings as they arise.

In: files that grow, a state folder. Out: a log, commands, messages.
"""
