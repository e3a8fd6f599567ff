"""How fast segmentation is, beside the plain loop, MONAI and the Hugging Face pipeline; see ``__main__``."""
