"""What is asserted of a drop before it is published: its files are read back and held against the rules."""

from sinks.drops.checks.files import Checked, check_files
from sinks.drops.checks.results import Check, ChecksFailed
from sinks.drops.checks.rows import fit

__all__ = ["Check", "Checked", "ChecksFailed", "check_files", "fit"]
