__version__ = "0.1.0"  # as datasets/base/version.h
