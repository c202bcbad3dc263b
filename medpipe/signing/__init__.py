"""Signing: identities, statements and attestations, PDF signatures, and the policy that a signed
report has to meet.
"""
