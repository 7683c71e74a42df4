"""Vector or text to score: outliers, wording, classifier."""
