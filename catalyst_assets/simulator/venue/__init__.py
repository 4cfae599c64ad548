"""The parts of the matching engine: admission, order life, matching, ledger, fees. Entered through ``simulator.exchange``."""
