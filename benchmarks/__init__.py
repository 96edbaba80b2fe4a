"""Side-by-side measurements. Ratios within one run are what counts; absolute times are noise."""
