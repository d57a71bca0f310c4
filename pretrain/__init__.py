"""Pre-training: networks, the training loop (fine-tuning's too), weights, recipes, and the command `pretrain`.

    from fractalvid import pretrain

    config = pretrain.load_recipe("small_cpu", pretrain.PretrainConfig())
    weights = pretrain.pretrain(config, Path("runs/small"))
    network = pretrain.load_network(weights)

Names are imported when they are first used: configurations and recipes need no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
