"""The service: what the commands do, over HTTP, with models that stay warm.

In: requests. Out: JSON, pages, events as they come. Nothing here decides: it asks the same functions as the commands.
"""
