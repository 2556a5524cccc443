"""What a report of a defect needs to know of a machine: `examine` collects it."""

from latentknn.doctor.examination import Examination, examine
from latentknn.doctor.processor import processor_name
from latentknn.public_names import listing

__all__ = ["Examination", "examine", "processor_name"]

__dir__ = listing(__all__)
