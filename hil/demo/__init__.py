"""The demo: a simulated site, a broker, the collector and the agent as processes, shown from the collector's side."""
