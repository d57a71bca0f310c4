"""The people of the demo target: one three-dimensional skeleton, and the rules by which each action bends it.

Several actions share their poses and differ by their movement alone (squat and jump; punch, clap and throw),
so a network has to look at more than one frame.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class Pose:
    """Joint angles over T frames, in radians, in the body's frame (x to its left, y up, z where it faces).

    Limbs have two sides and two segments (upper, lower), each with a direction of its own, (forward, outward)
    from hanging straight down: forward pi/2 points ahead, outward pi points up. Movement is in body heights.
    """

    arm: Floats  # (T, 2 sides, 2 segments, 2 angles), relative to the torso
    leg: Floats  # (T, 2 sides, 2 segments, 2 angles)
    pitch: Floats  # (T,) torso bent forward
    lean: Floats  # (T,) torso bent sideways
    turn: Floats  # (T,) about the vertical axis
    roll: Floats  # (T,) about the axis the figure faces along
    lift: Floats  # (T,) height of the lowest joint above the ground
    stride: Floats  # (T,) moved forward
    slide: Floats  # (T,) moved sideways


def standing(frames: int) -> Pose:
    """A figure at rest, arms hanging: what every action bends."""
    arm, leg = np.zeros((2, frames, 2, 2, 2))
    arm[..., 1] = 0.15
    arm[:, :, 1, 0] = 0.2
    leg[..., 1] = 0.08
    return Pose(arm, leg, *np.zeros((7, frames)))


def _swell(u: Floats) -> Floats:
    """From 0 to 1 and back, once a period of 1."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * u)


def _keys(u: Floats, *keys: tuple[float, float]) -> Floats:
    """Piecewise linear through (phase, value), with a period of 1."""
    phases, values = zip(*keys, strict=True)
    value: Floats = np.interp(u % 1.0, phases, values, period=1.0)
    return value


def _crouch(pose: Pose, depth: Floats) -> None:
    """Bend hips and knees, 0 standing to 1 thighs level."""
    pose.leg[:, :, 0, 0] += 1.5 * depth[:, None]
    pose.leg[:, :, 1, 0] -= 0.75 * depth[:, None]
    pose.pitch += 0.6 * depth


def _bow(pose: Pose, u: Floats, side: int, amount: float) -> None:
    pose.pitch += 1.5 * amount * _swell(u)
    pose.arm[..., 0] += 0.8 * pose.pitch[:, None, None]
    pose.leg[..., 0] -= 0.1 * pose.pitch[:, None, None]


def _cartwheel(pose: Pose, u: Floats, side: int, amount: float) -> None:
    pose.roll += 2 * np.pi * u
    pose.slide -= 0.45 * (u - u.mean())
    pose.arm[..., 1] = 2.75
    pose.leg[..., 1] = 0.55 * amount


def _clap(pose: Pose, u: Floats, side: int, amount: float) -> None:
    apart = _swell(2 * u)[:, None]
    pose.arm[:, :, 0] = 0.8, 0.3
    pose.arm[:, :, 0, 1] += 0.4 * amount * apart
    pose.arm[:, :, 1, 0] = 1.7
    pose.arm[:, :, 1, 1] = -0.6 + 1.3 * amount * apart


def _jump(pose: Pose, u: Floats, side: int, amount: float) -> None:
    _crouch(pose, _keys(u, (0, 0.15), (0.25, 0.8), (0.4, 0), (0.8, 0), (0.9, 0.6)))
    flight = np.clip((u % 1.0 - 0.4) / 0.42, 0, 1)
    pose.lift += 0.9 * amount * flight * (1 - flight)
    pose.arm[..., 0] += _keys(u, (0, 0), (0.25, -0.7), (0.5, 2.6), (0.7, 2.2), (0.9, 0.3))[:, None, None]


def _jumping_jack(pose: Pose, u: Floats, side: int, amount: float) -> None:
    spread = _swell(1.5 * u)
    pose.arm[..., 1] = (0.2 + 2.6 * spread)[:, None, None]
    pose.leg[..., 1] = (0.04 + 0.5 * amount * spread)[:, None, None]
    pose.lift += 0.3 * spread * (1 - spread)


def _kick(pose: Pose, u: Floats, side: int, amount: float) -> None:
    pose.leg[:, side, 0, 0] = amount * _keys(u, (0, 0), (0.25, -0.6), (0.5, 1.6), (0.6, 1.6), (0.85, 0))
    pose.leg[:, side, 1, 0] = amount * _keys(u, (0, 0), (0.25, -1.5), (0.5, 1.5), (0.6, 1.6), (0.85, -0.4))
    pose.pitch -= 0.25 * np.clip(pose.leg[:, side, 0, 0], 0, None)
    pose.arm[..., 0, 1] = 0.6
    pose.arm[:, 1 - side, :, 0] += 0.5 * pose.leg[:, side, :1, 0]


def _punch(pose: Pose, u: Floats, side: int, amount: float) -> None:
    for arm, phase in ((side, 2 * u), (1 - side, 2 * u + 0.5)):
        reach = _keys(phase, (0, 0), (0.2, 1), (0.3, 1), (0.5, 0))
        pose.arm[:, arm, 0, 0] = 1.5 * amount * reach
        pose.arm[:, arm, 1, 0] = 2.4 - 0.85 * reach
        pose.turn += (0.3 - 0.6 * arm) * reach
    pose.leg[:, side, :, 0], pose.leg[:, 1 - side, :, 0] = (0.15, -0.2), (0.35, 0.1)


def _run(pose: Pose, u: Floats, side: int, amount: float) -> None:
    for leg, phase in ((0, 4 * np.pi * u), (1, 4 * np.pi * u + np.pi)):
        swing = amount * np.sin(phase)
        pose.leg[:, leg, 0, 0] = 0.3 + 0.8 * swing
        pose.leg[:, leg, 1, 0] = 0.3 + 0.8 * swing - 0.75 + 0.7 * np.cos(phase + 2.6)
        pose.arm[:, leg, 0, 0] = -0.8 * swing
        pose.arm[:, leg, 1, 0] = 1.4 - 0.8 * swing
    pose.pitch += 0.2
    pose.lift += 0.05 * _swell(4 * u)
    pose.stride += 0.25 * (u - u.mean())


def _spin(pose: Pose, u: Floats, side: int, amount: float) -> None:
    pose.turn += 2 * np.pi * u
    pose.arm[..., 1] = 1.2 * amount
    pose.leg[:, side, 1, 0] -= 0.7


def _squat(pose: Pose, u: Floats, side: int, amount: float) -> None:
    depth = amount * _swell(u)
    _crouch(pose, depth)
    pose.arm[..., 0] += 1.9 * depth[:, None, None]


def _throw(pose: Pose, u: Floats, side: int, amount: float) -> None:
    swing = (0, 0.0), (0.3, 3.3), (0.45, 3.6), (0.6, 1.2), (0.7, 0.3), (0.85, 0.0)
    elbow = (0, 0.2), (0.3, 1.3), (0.45, 1.5), (0.6, 0.1), (0.85, 0.2)
    pose.arm[:, side, 0, 0] = _keys(u, *swing)
    pose.arm[:, side, 1, 0] = _keys(u, *swing) + amount * _keys(u, *elbow)
    pose.pitch += amount * _keys(u, (0, 0), (0.4, -0.25), (0.65, 0.5), (0.9, 0))
    pose.leg[:, 1 - side, :, 0] += _keys(u, (0, 0), (0.4, 0.1), (0.6, 0.5), (0.75, 0.5), (0.95, 0))[:, None]


def _wave(pose: Pose, u: Floats, side: int, amount: float) -> None:
    pose.arm[:, side, 0] = 0.2, 1.7
    pose.arm[:, side, 1, 1] = 2.9 + 0.8 * amount * np.sin(4 * np.pi * u)


# The rule of a class. Its arguments: a standing pose, to be changed in place; the phase (T,) in periods; the
# side that acts (0 or 1); the amplitude, about 1.
ACTIONS: dict[str, Callable[[Pose, Floats, int, float], None]] = {
    "bow": _bow,
    "cartwheel": _cartwheel,
    "clap": _clap,
    "jump": _jump,
    "jumping_jack": _jumping_jack,
    "kick": _kick,
    "punch": _punch,
    "run": _run,
    "spin": _spin,
    "squat": _squat,
    "throw": _throw,
    "wave": _wave,
}


def _direction(angles: Floats) -> Floats:
    """Angles (T, 2 sides, ..., 2) to unit vectors (..., 3); outward is +x for side 0 and -x for side 1."""
    forward, outward = angles[..., 0], angles[..., 1]
    sign = np.array([1.0, -1.0])[:, None]
    down = np.cos(outward)
    return np.stack([sign * np.sin(outward), -down * np.cos(forward), down * np.sin(forward)], axis=-1)


def rotation(angle: Floats, first: int, second: int) -> Floats:
    """Rotations (T, 3, 3) that carry axis `first` towards axis `second`."""
    matrix = np.tile(np.eye(3), (len(angle), 1, 1))
    matrix[:, first, first] = matrix[:, second, second] = np.cos(angle)
    matrix[:, second, first], matrix[:, first, second] = np.sin(angle), -np.sin(angle)
    return matrix


# The figure is drawn as capsules: the two joints, the radius in body heights, the index of the colour
# (0 skin, 1 shirt, 2 trousers, 3 shoes).
_SKIN, _SHIRT, _TROUSERS, _SHOES = range(4)
_HEAD, _NECK, _PELVIS, _CHEST = range(4)  # then side by side: shoulder, elbow, wrist, hip, knee, ankle, toe
CAPSULES = [(_HEAD, _HEAD, 0.078, _SKIN), (_NECK, _HEAD, 0.03, _SKIN), (_PELVIS, _CHEST, 0.078, _SHIRT)]
for _first in (4, 11):
    CAPSULES += [
        (_CHEST, _first, 0.045, _SHIRT),
        (_first, _first + 1, 0.033, _SHIRT),
        (_first + 1, _first + 2, 0.027, _SKIN),
        (_first + 2, _first + 2, 0.036, _SKIN),
        (_PELVIS, _first + 3, 0.055, _TROUSERS),
        (_first + 3, _first + 4, 0.047, _TROUSERS),
        (_first + 4, _first + 5, 0.037, _TROUSERS),
        (_first + 5, _first + 6, 0.033, _SHOES),
    ]


def skeleton(pose: Pose, limbs: Floats) -> Floats:
    """Joint positions (T, 18, 3) in body heights, standing on y = 0; `limbs` (6,) scales the body's parts."""
    torso, shoulder, hip, arm, thigh, shank = limbs * (0.27, 0.095, 0.055, 0.165, 0.23, 0.23)
    upper = rotation(pose.pitch, 1, 2) @ rotation(pose.lean, 0, 1)
    sides = np.array([1.0, -1.0])[:, None] * np.eye(3)[0]  # (2, 3)
    axis = upper[:, :, 1]
    arms = np.einsum("tij,tskj->tski", upper, _direction(pose.arm))
    legs = _direction(pose.leg)
    shoulders = (torso * axis)[:, None] + np.einsum("tij,sj->tsi", upper, shoulder * sides)
    elbows = shoulders + arm * arms[:, :, 0]
    knees = hip * sides + thigh * legs[:, :, 0]
    ankles = knees + shank * legs[:, :, 1]
    toe = np.stack([legs[..., 1, 0], -legs[..., 1, 2], -legs[..., 1, 1]], axis=-1) * (0.2, 1, 1)
    chain = [
        shoulders,
        elbows,
        elbows + arm * arms[:, :, 1],
        np.broadcast_to(hip * sides, knees.shape),
        knees,
        ankles,
    ]
    sided = np.stack([*chain, ankles + 0.06 * toe], axis=2).reshape(len(axis), 14, 3)
    middle = np.stack([(torso + 0.15) * axis, (torso + 0.03) * axis, 0 * axis, (torso - 0.03) * axis], axis=1)
    joints: Floats = np.concatenate([middle, sided], axis=1)
    joints = np.einsum("tij,tkj->tki", rotation(pose.roll, 0, 1), joints)
    joints[..., 0] += pose.slide[:, None]
    joints[..., 1] += (pose.lift - joints[..., 1].min(axis=1) + 0.03)[:, None]
    joints[..., 2] += pose.stride[:, None]
    return joints
