"""This project's fit, and a scan with the model. Arguments: taught, asked (JSON lists of [text, label]), output."""

import json
import sys
import tempfile
from pathlib import Path

import polars as pl

from forewarn.pipeline import Options, scan
from forewarn.scoring.model_folder import save_model
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit

taught, asked = (
    pl.DataFrame(json.loads(Path(name).read_text()), schema=["text", "label"], orient="row") for name in sys.argv[1:3]
)
with tempfile.TemporaryDirectory() as scratch:
    folder, file, lines = (Path(scratch) / name for name in ("model", "asked.parquet", "lines.parquet"))
    save_model(fit(taught, FitOptions(test=0.0)), folder, "")
    asked.select("text").write_parquet(file)
    scan([file], Options(model=folder, text_column="text"), line_scores=lines)
    scores = pl.read_parquet(lines).sort("line")["log_odds"].to_list()
Path(sys.argv[3]).write_text(json.dumps({"scores": scores}))
