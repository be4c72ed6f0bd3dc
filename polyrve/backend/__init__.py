"""TensorFlow and the machine: devices, memory, processors, quiet import, custom gradients."""
