"""The vendors' faces: each vendor's addresses, formats, limits and refusals. Put together by ``simulator.server``."""
