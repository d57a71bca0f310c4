"""Carrying pre-trained weights over to real video: targets, fine-tuning, testing and comparison.

    from fractalvid import finetune as ft, pretrain as pt

    data = ft.open_data(ft.TargetOptions("folder", data=Path("my_videos")))
    plan = ft.plan_run(data, ft.load_recipe("small_cpu"), pt.parse_initial("runs/pretrained"))
    metrics = ft.transfer(data, plan, out=Path("runs/finetuned"))

Names are imported when they are first used, and torch with them; `__init__.pyi` says where each comes from.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
