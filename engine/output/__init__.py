"""Findings → terminal and files.

In: findings and tables. Out: text in which no character of the input can steer a terminal. Decides nothing.
"""
