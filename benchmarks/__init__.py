"""Every figure of this project, measured by one command: `python -m benchmarks [NAME…]`."""
