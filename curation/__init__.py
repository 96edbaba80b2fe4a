"""Scoring, eligibility, selection, judging, preference pairs and the nightly build."""
