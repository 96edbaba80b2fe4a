"""Processes that start with their libraries imported.

A test that runs the command, or a worker it can kill, needs a process of its own, and most of what such a
process does is importing polars, deltalake, scikit-learn and the rest: 1.5 s of processor time each. A fork
server imports them once per process of pytest; each process under test is forked from it, before any of them
has made a thread or read a setting.

What is the same as in a process started afresh: its own pid, environment, working folder, standard streams,
signals and exit code. What is not: the hash seed, which all forks share (a test of hash orders starts real
processes), and the time imports take (`tests/console/test_start.py` starts real ones too).
"""
