"""The rule language: what stands in a rule file.

In: YAML in Sigma's words. Out: rules as conditions over patterns (`rule.Rule`), or a refusal with its place.
"""
