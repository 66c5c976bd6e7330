"""Reading and writing of picture files; only this package and `figures` import Pillow."""
