"""Measured speed of the main job against its targets: ``python -m benchmarks`` (``make bench``)."""
