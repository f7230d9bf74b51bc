"""Forecasting, offline: one daily series with covariates (`daily`), or many series with one network (`many`)."""
