"""What happens on a bus: one owner of the port, its devices, and what they tell."""
