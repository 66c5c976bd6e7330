"""Experiments on the claims of lessons about pooling: what is measured, without options and without drawing."""
