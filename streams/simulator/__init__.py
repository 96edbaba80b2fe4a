"""A simulated LLM product: events as applications would send them, and the truth behind them."""

from streams.simulator.config import DEFAULT_START, SimulationConfig
from streams.simulator.failures import REASONS
from streams.simulator.records import SimulatedEvent, Truth, read_truth, write_truth
from streams.simulator.simulation import Simulation, simulate

__all__ = [
    "DEFAULT_START",
    "REASONS",
    "SimulatedEvent",
    "Simulation",
    "SimulationConfig",
    "Truth",
    "read_truth",
    "simulate",
    "write_truth",
]
