"""One pass over a loader: its position, its order, and the iterators that make its batches."""
