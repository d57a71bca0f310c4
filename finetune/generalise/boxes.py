"""Where the source's boxes come from: a file of the user's, or, for the demo, from how its clips are drawn."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from fractalvid.finetune.generalise.domains import Domains
from fractalvid.finetune.generalise.source import Tubes
from fractalvid.finetune.generalise.tubes import Tube, describe_tubes, read_boxes, tubes_of
from fractalvid.finetune.targets.demo.files import RATE, demo_boxes
from fractalvid.finetune.targets.demo.target import demo_set
from fractalvid.finetune.videos.data import Data, index_videos
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError


def source_tubes(source: Data, domains: Domains, boxes: Path | None, machine: Machine) -> Tubes:
    """The tubes of the source's training clips.

    Raises:
        UserError: there are no boxes, or they do not fit.
    """
    index = index_videos(source.root, [video.path for video in domains.train], machine)
    if boxes is not None:
        tubes = tubes_of(domains.train, domains.classes, read_boxes(boxes), index.facts)
    elif source.options.target == "demo":
        known = {path: Tube((np.arange(len(b)) + 0.5) / RATE, b) for path, b in demo_boxes(demo_set("demo")).items()}
        tubes = {place: known[video.path] for place, video in enumerate(domains.train)}
    else:
        raise UserError("--method explain needs --boxes: a CSV file with video,time,x1,y1,x2,y2,action of the source")
    tqdm.write(describe_tubes(tubes, len(domains.train)))
    return Tubes(tubes, index.facts)
