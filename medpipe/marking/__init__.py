"""How a synthetic image says that it is one: a keyed watermark, a manifest of digests, a C2PA
manifest as an extra.
"""
