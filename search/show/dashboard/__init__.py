"""optuna-dashboard over a study's storage, with notes, figures and files that qpareto publishes."""
