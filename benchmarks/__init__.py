"""Programs that print a table and write it to benchmarks/results/; never run as tests."""
