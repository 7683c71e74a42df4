"""Records → distinct texts.

In: blocks of records. Out: `frames.TEXTS`: one row a distinct text, masked, deobfuscated, with the rules that fired.
"""
