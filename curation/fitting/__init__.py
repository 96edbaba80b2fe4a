"""Fitting the failure score to labels: labels, design, regression, measures, coverage, and the verdict."""
