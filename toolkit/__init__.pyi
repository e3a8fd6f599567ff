__version__: str

from .catalog import Catalog as Catalog
from .engines import Cluster as Cluster, open_cluster as open_cluster
from .evaluation import evaluate as evaluate
from .models import (
    Model as Model,
    Normalization as Normalization,
    load_dataset as load_dataset,
    load_model as load_model,
)
from .runs import Estimate as Estimate, Progress as Progress, Run as Run, estimate as estimate, segment as segment
from .scenes import generate_scene as generate_scene, write_scenes as write_scenes
from .segmentation import Protocol as Protocol, plan as plan, segment_image as segment_image
from .sources import Listing as Listing, ReadLimits as ReadLimits, list_images as list_images
