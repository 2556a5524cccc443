"""What a training needs beside a model: batches, optimizers, schedules, and callbacks of Keras.

Its files know ``layers``, from which an optimizer has its running average, and no model.
"""
