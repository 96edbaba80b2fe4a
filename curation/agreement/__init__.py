"""Agreement between raters: pure statistics, each with its interval and with a reason where it is undefined.

Start at `report.summarise`; single coefficients are in `alpha`, `fleiss` and `cohen`.
"""
