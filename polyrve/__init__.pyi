from . import data as data
from .adapters.grains import read_grains as read_grains
from .adapters.registry import read as read
from .adapters.registry import read_map as read_map
from .adapters.registry import read_volume as read_volume
from .adapters.registry import write as write
from .crystallography.phase import Phase as Phase
from .microstructure.fields import OrientationMap as OrientationMap
from .microstructure.fields import OrientationVolume as OrientationVolume
from .microstructure.grains import GrainMap as GrainMap
from .microstructure.grains import GrainVolume as GrainVolume
from .microstructure.instrument import simulate_scan as simulate_scan
from .microstructure.map_placement import axisymmetric as axisymmetric
from .microstructure.segmentation import segment as segment
from .microstructure.synthetic import make_specimen as make_specimen
from .reconstruction.checkpoint import Checkpoint as Checkpoint
from .reconstruction.ensemble import Ensemble as Ensemble
from .reconstruction.ensemble import reconstruct_many as reconstruct_many
from .reconstruction.run import Reconstruction as Reconstruction
from .reconstruction.run import measure_targets as measure_targets
from .reconstruction.run import reconstruct as reconstruct
from .reconstruction.targets import TargetSet as TargetSet
from .report.html import write_report as write_report
from .settings import ReconstructionSettings as ReconstructionSettings
from .validation.result import Validation as Validation
from .validation.run import validate as validate

__version__: str
