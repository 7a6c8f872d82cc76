"""What the gateway tells others beside its own platform; nothing here is part of custody."""
