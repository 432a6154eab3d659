"""Every stage of torchfeed beside torchvision and torch, on the same work: ``make bench DATA=DIR``."""
