"""Text to vector, vector to the nearest past cases."""
