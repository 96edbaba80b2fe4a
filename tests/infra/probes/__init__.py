"""Small questions put to both engines; the answers are the tables of docs/brokers.md.

``python -m tests.infra.probes`` runs them all and prints what each engine answered. They measure and
tell; what Tailrace relies on is asserted in the tests.
"""
