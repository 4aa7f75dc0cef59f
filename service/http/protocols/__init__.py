"""Protocols that other servers speak: KServe v1 and Open Inference v2, over the same work as our own routes."""
