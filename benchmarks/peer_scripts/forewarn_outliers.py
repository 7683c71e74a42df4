"""This project's outlier signal: texts (JSON list) to scores. Arguments: texts, output."""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl

from forewarn.detectors import fit_outliers
from forewarn.embeddings import load_encoder

texts = pl.Series(json.loads(Path(sys.argv[1]).read_text()))
vectors = load_encoder("bundled").encode(texts.to_list())
outliers = fit_outliers(vectors, texts, np.ones(len(texts), dtype=np.int64))
scores = outliers.score(vectors, texts, in_sample=True)
Path(sys.argv[2]).write_text(json.dumps({"scores": scores.tolist()}))
