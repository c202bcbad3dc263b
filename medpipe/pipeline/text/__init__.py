"""What the experiments on sentences share: settings, sampling, batches in order of length,
training.
"""
