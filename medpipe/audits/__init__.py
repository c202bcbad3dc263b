"""Audits of published figures, images, text, generators and deployment; each reports findings."""
