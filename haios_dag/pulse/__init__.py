"""Whether the beats come, who is told when they do not, and beating without a scheduler."""
