// What becomes of a pixel's sums.
#pragma once
#include "histogram.cuh"

// A pixel's grey into `out` (J, H, W), or its colour into `out` (J, H, W, 3).
DEVICE void put(const Tone& tone, uint32 count, uint32 sum, int row, int column, int64 place, const uint8* curve,
                const uint8* palette, uint8* out) {
    const uint8 grey = grey_of(tone, count, column, row);
    if (!COLOURED) {
        out[place] = grey;
        return;
    }
    const uint8* colour = palette + 3 * mean_index(sum, count);
    for (int channel = 0; channel < 3; ++channel) out[3 * place + channel] = painted(curve[grey], colour[channel]);
}
