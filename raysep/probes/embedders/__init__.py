"""From audio to frames: each embedder in a file of its own, all behind one protocol (``base.Embedder``)."""
