"""What is timed beside us, with the same weights and the same inputs."""
