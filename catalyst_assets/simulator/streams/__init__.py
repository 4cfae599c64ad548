"""The simulated vendors' websockets: market data, news and order updates, driven by the simulated clock."""
