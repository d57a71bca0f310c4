// Images without keeping histograms: count, 3 x 3 sums, tone. Blocks: (jobs, tiles). See `kernels.render`.
#include "paint.cuh"

extern "C" __global__ void __launch_bounds__(BLOCK)
    render(JOBS, const int64* points, int burn_in, int columns, FRAME, const float* plan,
           const uint8* curve, const uint8* palette, uint8* out) {
    const Frame frame = THIS_FRAME;
    const int job = blockIdx.x;
    const Histogram histogram = tally(THESE_JOBS, job, points, burn_in, columns, frame);
    const Tone tone = tone_of(plan + job * 5);
    const uint8* own = COLOURED ? palette + (int64)job * 768 : nullptr;
    each_pixel(histogram.tile, frame, job, [&](int row, int column, int64 place) {
        const uint32 count = box3(histogram.tile, histogram.count, row, column);
        const uint32 sum = COLOURED ? box3(histogram.tile, histogram.sum, row, column) : 0;
        put(tone, count, sum, row, column, place, curve, own, out);
    });
}
