"""From recognised datasets and transforms to what makes their batches."""
