"""What a notebook shows of an object: `tables` of its facts, small `pictures`, and one line by `one_line`.

The functions are for ``_repr_html_`` and ``__repr__``. They need NumPy alone; pictures are left out where
Pillow is missing. Whatever text comes from data is escaped.
"""
