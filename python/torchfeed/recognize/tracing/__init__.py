"""Tracing: a user's own code is run on stand-ins, which note what it does to an image and pass no pixels.

The code runs as it is, but all that it can reach is a stand-in: its argument, what its object and its module hold, and
the functions that it calls. A stand-in does what is known to have no effect but on the result, and refuses the rest. So
whatever comes back was made of the image by steps that were noted, whatever its class is called.

Numbers that the code draws are stand-ins too. Where it compares one, it is run again for each outcome, and the odds of
each way are kept.
"""

from .paths import Refused
from .trace import Chain, Made, Trace, Way, trace
from .wiring import Readings, read_again

__all__ = ["Chain", "Made", "Readings", "Refused", "Trace", "Way", "read_again", "trace"]
