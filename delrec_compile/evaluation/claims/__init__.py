"""The claims about the networks, measured: accuracy, parameters, cost, latency, and what delays buy."""
