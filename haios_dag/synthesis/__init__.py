"""Clusters, insights and bridges: what memory makes of what it has read."""
