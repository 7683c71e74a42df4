"""What each peer runs, in its own environment: one short script each; the result is a JSON file."""
