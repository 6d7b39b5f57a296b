"""The cosines from which on texts count as alike, in the default embedding space.

The thresholds belong to that space: another model's cosines mean something else. How they were
chosen: docs/insights.md.
"""

CLUSTER = 0.58  # two texts belong together
DUPLICATE = 0.92  # two texts say the same, if they state the same facts
BRIDGE = 0.54  # a concept explains a trace
SAME_SENTENCE = 0.80  # two quoted sentences say the same
