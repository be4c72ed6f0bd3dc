"""TensorFlow and the machine: device strategies, memory, processors, quiet import, custom gradients.

Importing this package imports no TensorFlow; :mod:`polyrve.backend.memory` and :mod:`polyrve.backend.processors` never
do.
"""
