"""forewarn finds the first signs of a crisis in text."""
