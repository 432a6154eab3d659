"""Tracing: samples of a user's own dataset class, made natively, with no line of it changed.

Its `__getitem__` runs as it is, in this process, on images that are not opened yet and on stand-ins for what
transforms make of them. What it returns says what the sample is made of: files, transforms, and plain values. If that
is all, native threads make the sample. Whatever a stand-in does not stand for makes it real, there and then, and Python
goes on with that.
"""
