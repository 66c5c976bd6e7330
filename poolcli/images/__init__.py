"""The only room that knows Pillow: pictures in, pictures out."""
