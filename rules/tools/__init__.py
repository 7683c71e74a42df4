"""What a domain expert works with: lint, test, backtest, draft, reference.

In: rule files and texts. Out: remarks, failures, hits.
"""
