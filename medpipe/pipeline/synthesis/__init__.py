"""Generating images: adversarial training, what is observed of a generator, and the network that
judges its images.
"""
