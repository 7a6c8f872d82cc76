"""From ``site.toml`` to the types of ``agent.config``."""
