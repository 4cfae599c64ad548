"""How an invented market comes to be: companies, prices, stories, outlets, and the truth behind them.

Entered through ``simulator.world``.
"""
