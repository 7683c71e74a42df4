"""scikit-learn's TF-IDF of characters, logistic regression. Arguments: taught, asked ([text, label]s), output."""

import json
import sys
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

taught, asked = (json.loads(Path(name).read_text()) for name in sys.argv[1:3])
counted = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True, min_df=2)
seen = counted.fit_transform([text for text, _ in taught])
model = LogisticRegression(C=10, max_iter=1000).fit(seen, [label for _, label in taught])
scores = model.decision_function(counted.transform([text for text, _ in asked]))
Path(sys.argv[3]).write_text(json.dumps({"scores": scores.tolist()}))
