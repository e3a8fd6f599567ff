"""Private servers, abstract suites and networks that wait: for tests and benchmarks only."""
