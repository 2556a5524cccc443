"""Batches, optimizers, schedules and callbacks, which a training needs beside a model.

Files of this room import ``layers``, where the running average of an optimizer is defined, and no model.
"""
