// Images whose white is their clip's largest count: first the 3 x 3 sums, then their tone. See `kernels.render`.
#include "paint.cuh"

// The sums (J, H, W), and the largest of each clip (clips,), which begins at 1. Blocks: (jobs, tiles).
extern "C" __global__ void __launch_bounds__(BLOCK)
    boxes(JOBS, const int64* points, int burn_in, int columns, FRAME, const int* clip, uint32* counts,
          uint32* sums, uint32* largest) {
    const Frame frame = THIS_FRAME;
    const int job = blockIdx.x;
    const Histogram histogram = tally(THESE_JOBS, job, points, burn_in, columns, frame);
    uint32 own = 1;
    each_pixel(histogram.tile, frame, job, [&](int row, int column, int64 place) {
        counts[place] = box3(histogram.tile, histogram.count, row, column);
        if (COLOURED) sums[place] = box3(histogram.tile, histogram.sum, row, column);
        own = counts[place] > own ? counts[place] : own;
    });
    atomicMax(largest + clip[job], own);
}

// Their tone. Blocks: (jobs, any).
extern "C" __global__ void tone_boxes(int height, int width, const int* clip, const uint32* counts, const uint32* sums,
                                      const uint32* largest, const uint8* curve, const uint8* palette, uint8* out) {
    const float plan[5] = {1.0f, (float)largest[clip[blockIdx.x]], 0.0f, 0.0f, 0.0f};
    const Tone tone = tone_of(plan);
    const uint8* own = COLOURED ? palette + (int64)blockIdx.x * 768 : nullptr;
    const int64 first = (int64)blockIdx.x * height * width;
    for (int i = blockIdx.y * blockDim.x + threadIdx.x; i < height * width; i += gridDim.y * blockDim.x)
        put(tone, counts[first + i], COLOURED ? sums[first + i] : 0, i / width, i % width, first + i, curve, own, out);
}
