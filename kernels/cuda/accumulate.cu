// Where the points of each job fall. Blocks: (jobs, tiles). See `kernels.accumulate`.
#include "histogram.cuh"

extern "C" __global__ void __launch_bounds__(BLOCK)
    accumulate(JOBS, const int64* points, int burn_in, int columns, FRAME, uint32* counts,
               uint32* sums, int64* outside, int64* discarded) {
    const Frame frame = THIS_FRAME;
    const int job = blockIdx.x;
    const Histogram histogram = tally(THESE_JOBS, job, points, burn_in, columns, frame);
    each_pixel(histogram.tile, frame, job, [&](int row, int column, int64 place) {
        const int own = histogram.tile.place(row, column);
        counts[place] = word_at(histogram.count + own);
        if (COLOURED) sums[place] = word_at(histogram.sum + own);
    });
    if (blockIdx.y == 0 && threadIdx.x == 0) {
        outside[job] = word_at(OUTSIDE);
        discarded[job] = word_at(DISCARDED);
    }
}
