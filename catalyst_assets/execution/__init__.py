"""The order step, broker synchronisation, protection and position watch: money rules with I/O, but without Dagster.

Dagster jobs, the replay and a resident watch call the same :class:`~catalyst_assets.execution.desk.TradingDesk`.
"""
