"""How fast a trained network answers, in which form, and whether every form gives the same
answers.
"""
