"""What Python programs find as ``import serai``: one file, mounted with the launchers and on their PYTHONPATH.

It needs nothing but the standard library of Python 3.8, and may be copied into a project as it is.
"""
