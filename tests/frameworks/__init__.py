"""torchfeed inside other people's frameworks."""
