"""Fraud: one definition of rules and features, shared by training and serving.

`features`, `rules` and `bundle` are pure and may be imported by the service. Everything
else (data sets, training, registry, promotion) stays offline and imports scikit-learn
and MLflow inside the functions that need them.
"""
