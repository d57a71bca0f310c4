from .pipeline import transfer as transfer
from .predict import Prediction as Prediction
from .predict import Predictor as Predictor
from .predict import Unreadable as Unreadable
from .prepare import prepare_videos as prepare_videos
from .test import WeightsTest as WeightsTest
from .test import test_weights as test_weights
