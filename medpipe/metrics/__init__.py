"""Every statistic that is computed from observations: metrics, their intervals, and how errors
combine.
"""
