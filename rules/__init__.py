"""The rule language: Sigma, its reader, its matcher and what a domain expert works with."""
