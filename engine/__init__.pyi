# ruff: noqa: F401 - names that are called otherwise where they are
# The public API, one name a line: where it is, and what `help(forewarn)` says of it. `__init__.py` reads this list.
from forewarn.alerting.rule_matches import matches as match_rules  # files → the records on which rules fire
from forewarn.cases.importing import CaseColumns as CaseColumns  # which columns of a file hold what of a case
from forewarn.cases.importing import read_cases as read_cases  # labelled files, or alerts → cases
from forewarn.cases.importing import with_shipped as with_shipped_cases  # cases and the shipped ones
from forewarn.cases.listing import listed as list_cases  # the cases of a base
from forewarn.cases.similar import SimilarCase as SimilarCase  # a past crisis like a text
from forewarn.cases.similar import similar as similar  # a text → the past crises most like it
from forewarn.doctor import examine as doctor  # what this installation is
from forewarn.embeddings import CaseBase as CaseBase  # past crises, looked up by meaning
from forewarn.embeddings import load_encoder as load_encoder  # a name → what makes vectors of texts
from forewarn.embeddings.case_changes import add as add_cases  # more cases into a base
from forewarn.embeddings.case_changes import build as build_cases  # cases → a base, a folder
from forewarn.embeddings.case_changes import merge as merge_cases  # several bases → one
from forewarn.embeddings.case_changes import remove as remove_cases  # cases out of a base
from forewarn.errors import ForewarnError as ForewarnError  # the base of every error, with its remedy
from forewarn.findings import Alert as Alert  # one alarming text: its score, its evidence
from forewarn.findings import EarlyWarning as EarlyWarning  # a stream has changed: since when, by what
from forewarn.findings import Incident as Incident  # alerts and warnings of one meaning
from forewarn.findings import find_alert as find_alert  # one of them by the beginning of its id, or its number
from forewarn.findings import read_alerts as read_alerts  # the alerts of a file that `forewarn scan -o` wrote
from forewarn.options import Options as Options  # what a scan or a watch is told
from forewarn.options import Policy as Policy  # how alerts are chosen: budget, false-discovery rate, threshold
from forewarn.options import Promise as Promise  # how seldom a warning may be false
from forewarn.pipeline import scan as scan  # files, texts or a frame → Scan
from forewarn.reading.labelled import read_labelled as read_labelled  # labelled files → a frame
from forewarn.resident import Resident as Resident  # rules and encoder, loaded once; scores texts one by one
from forewarn.resident import score as score  # one text → how probable a crisis is, and why
from forewarn.rules import RuleSet as RuleSet  # rules, compiled
from forewarn.rules import load_rules as load_rules  # packs, files, folders → RuleSet
from forewarn.rules.tools.backtest import backtest as backtest  # rules on labelled texts → hits, precision, recall
from forewarn.rules.tools.linting import lint as lint_rules  # rules → remarks on them
from forewarn.rules.tools.testing import run_tests as run_rule_tests  # rules → which of their examples fail
from forewarn.scan_result import Scan as Scan  # what a scan found
from forewarn.scoring.baseline import Baseline as Baseline  # what is ordinary
from forewarn.scoring.model import Model as Model  # what was fitted; scores texts
from forewarn.scoring.model_folder import load_model as load_model  # a folder → Model
from forewarn.scoring.model_folder import save_model as save_model  # a Model → its folder
from forewarn.training.active_learning import most_useful as most_useful  # a Scan → the texts most worth a label
from forewarn.training.active_learning import write_sheet as write_sheet  # those texts → a CSV file to fill in
from forewarn.training.baseline import fit_baseline as fit_baseline  # files in which nothing is wrong → Baseline
from forewarn.training.drift import Drift as Drift  # how new texts differ from a model's training
from forewarn.training.drift import find_drift as find_drift  # a model's folder and new texts → Drift
from forewarn.training.estimator import ForewarnClassifier as ForewarnClassifier  # the scikit-learn estimator
from forewarn.training.feedback import keep_answer as keep_answer  # an alert and yes or no → a file of labels
from forewarn.training.fit_options import FitOptions as FitOptions  # how to fit
from forewarn.training.fitting import baseline_model as baseline_model  # a Baseline → a Model without labels
from forewarn.training.fitting import fit as fit  # labelled files or a frame → Model
from forewarn.training.updating import Update as Update  # a model that goes on from another, and both compared
from forewarn.training.updating import update as update  # a model's folder and new labels → Update
from forewarn.watching.watch import Receivers as Receivers  # who gets the warnings of a watch
from forewarn.watching.watch import watch as watch  # files that grow → warnings as they arise
