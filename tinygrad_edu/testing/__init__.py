"""Tools that test a gradient: strategies, the laws of a row, and checks built on them.

Read ``strategies.py`` for what is drawn and ``laws.py`` for what is compared.
"""
