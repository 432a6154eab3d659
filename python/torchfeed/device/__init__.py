"""The device stage: batches to where the model is, some ahead of the training step."""

from .delivery import Delivery, DeviceLoader, to_device

__all__ = ["Delivery", "DeviceLoader", "to_device"]
