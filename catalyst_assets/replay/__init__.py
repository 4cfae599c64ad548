"""Whole sessions through the decision core and the exchange: backfills, backtests, parity."""
