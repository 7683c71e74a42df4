"""The shipped rules, one folder a domain, YAML only."""
