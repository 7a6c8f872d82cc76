"""Two cross-wired serial adapters, real or not: the agent speaks at one, the simulator at the other."""
