// From points to pixels, one at a time: where a point falls, its colour, and grey and colour of a pixel.
#pragma once
#include "portable.cuh"
#include "variations.cuh"

constexpr float ESCAPE = 1e6f;
constexpr float BEHIND = 1e-30f;

DEVICE bool escaped(float x, float y) { return !(absolute(x) + absolute(y) <= ESCAPE); }

// A homography from the plane to pixels; one without perspective is divided out beforehand.
struct Projection {
    float a, b, c, d, e, f, g, h, w;
    bool flat;
};

DEVICE Projection projection_of(const float* p) {
    Projection q{p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[6] == 0.0f && p[7] == 0.0f};
    if (q.flat) {
        q.a /= q.w;
        q.b /= q.w;
        q.c = q.c / q.w + 1.0f;
        q.d /= q.w;
        q.e /= q.w;
        q.f = q.f / q.w + 1.0f;
    }
    return q;
}

// Column and row of a point, from 0, or -1 where that is beside the frame or behind the camera.
DEVICE Pair<int, int> pixel_of(const Projection& p, float x, float y, int height, int width) {
    // Everything is shifted by one pixel, so that truncation is rounding down.
    float u = p.a * x + p.b * y + p.c, v = p.d * x + p.e * y + p.f;
    if (!p.flat) {
        const float q = p.g * x + p.h * y + p.w;
        const float scale = 1.0f / q;
        u = u * scale + 1.0f;
        v = v * scale + 1.0f;
        if (!(q > BEHIND)) return {-1, -1};
    }
    if (!(u >= 1.0f && v >= 1.0f && u < (float)(width + 1) && v < (float)(height + 1))) return {-1, -1};
    return {(int)u - 1, (int)v - 1};
}

DEVICE uint32 colour_index(float shade) { return (uint32)(shade * 255.0f + 0.5f); }

// What `fractalvid.kernels.tone.plan` makes for a job: gain, white, and the last row of the inverse projection.
struct Tone {
    float gain, white, a, b, c, scale;
    bool flat;
};

DEVICE Tone tone_of(const float* plan) {
    const float scale = 255.0f / table::log(1.0f + plan[1]);
    return {plan[0], plan[1], plan[2], plan[3], plan[4], scale, plan[2] == 0.0f && plan[3] == 0.0f};
}

// min(1, log(1 + gain · count · s³) / log(1 + white)) in 255ths.
DEVICE uint8 grey_of(const Tone& tone, uint32 count, int column, int row) {
    float gain = tone.gain;
    if (!tone.flat) {
        const float s = absolute(tone.a * ((float)column + 0.5f) + tone.b * ((float)row + 0.5f) + tone.c);
        gain = gain * s * s * s;
    }
    const float value = table::log(1.0f + gain * (float)count) * tone.scale;
    return (uint8)(int)(smaller(value, 255.0f) + 0.5f);
}

// The mean of indices, rounded.
DEVICE uint32 mean_index(uint32 sum, uint32 count) {
    const uint32 number = count > 1u ? count : 1u;
    // In whole numbers: floor(sum / number + 1/2), without a sum that might exceed 32 bits.
    const uint32 whole = sum / number, rest = sum - whole * number;
    return whole + (rest >= number - rest ? 1u : 0u);
}

// The product of two bytes over 255, rounded.
DEVICE uint8 painted(uint32 brightness, uint32 colour) {
    const uint32 v = brightness * colour + 128u;
    return (uint8)((v + (v >> 8)) >> 8);
}
