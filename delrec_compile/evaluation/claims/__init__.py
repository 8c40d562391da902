"""Claims about the networks, measured: accuracy, parameters, cost, latency, gain of delays."""
