// A job's points counted in shared memory: the whole frame where it fits, else a tile of it for each block.
//
// A tile counts its pixels and one more on each side that lies in the frame, for the 3 x 3 sums. Every block of a job
// walks all of its points, so what blocks count does not depend on how the frame is cut.
#pragma once
#include "walkers.cuh"

#ifndef COLOURED
#define COLOURED 0
#endif

struct Frame { int height, width, tile_height, tile_width; };
#define FRAME int height, int width, int tile_height, int tile_width
#define THIS_FRAME Frame{height, width, tile_height, tile_width}

// The pixels of a tile, and the region [y0, y1) x [x0, x1) that it counts.
struct Tile {
    int top, left, bottom, right;
    int y0, x0, y1, x1;
    DEVICE int words() const { return (y1 - y0) * (x1 - x0); }
    DEVICE int place(int row, int column) const { return (row - y0) * (x1 - x0) + (column - x0); }
    DEVICE bool holds(int row, int column) const {
        return (uint32)(row - y0) < (uint32)(y1 - y0) && (uint32)(column - x0) < (uint32)(x1 - x0);
    }
};

DEVICE int least(int a, int b) { return a < b ? a : b; }
DEVICE int most(int a, int b) { return a > b ? a : b; }

DEVICE Tile tile_of(const Frame& frame, int number) {
    const int across = (frame.width + frame.tile_width - 1) / frame.tile_width;
    Tile tile;
    tile.top = number / across * frame.tile_height;
    tile.left = number % across * frame.tile_width;
    tile.bottom = least(tile.top + frame.tile_height, frame.height);
    tile.right = least(tile.left + frame.tile_width, frame.width);
    tile.y0 = most(tile.top - 1, 0);
    tile.x0 = most(tile.left - 1, 0);
    tile.y1 = least(tile.bottom + 1, frame.height);
    tile.x1 = least(tile.right + 1, frame.width);
    return tile;
}

// Where a tile's counts begin in shared memory and, in colour, the sums of colour indices.
struct Histogram {
    Tile tile;
    int count, sum;
    // Where the frame's first pixel would be counted, and how far apart its rows lie.
    DEVICE int first() const { return count + tile.place(0, 0); }
    DEVICE int stride() const { return tile.x1 - tile.x0; }
};

// Sees every walker after every step (`walk`): counts its point, and restarts it where it has escaped.
struct Tally {
    const Game& game;
    const Histogram& histogram;
    Projection projection;
    int height, width, burn_in;
    uint32 points;
    int first, stride;  // of the histogram: kept, since they would be computed again for every point
    uint32 outside, discarded;
    float shade[WALKERS];

    DEVICE void operator()(int r, int row, int column, int step, int m, float& x, float& y) {
        if (COLOURED) shade[r] = (shade[r] + float_at(game.colour + m)) * 0.5f;
        const uint32 walker = row * game.columns + column;
        // Before the burn-in is over this wraps around to more than there are points.
        const bool counted = (uint32)(step - burn_in) * (uint32)(ROWS * game.columns) + walker < points;
        if (escaped(x, y)) {
            discarded += counted;
            const Point p = uniform_point(*game.seed, step, walker, RESTART);
            x = p.first;
            y = p.second;
        } else if (counted) {
            const Pair<int, int> pixel = pixel_of(projection, x, y, height, width);
            outside += pixel.first < 0;
            if (pixel.first >= 0 && histogram.tile.holds(pixel.second, pixel.first)) {
                const int place = first + pixel.second * stride + pixel.first;
                atomicAdd(&word_at(place), 1u);
                if (COLOURED) atomicAdd(&word_at(place + histogram.sum - histogram.count), colour_index(shade[r]));
            }
        }
    }
};

// Play a job into the tile blockIdx.y of its frame.
DEVICE Histogram tally(const Jobs& jobs, int job, const int64* points, int burn_in, int columns, const Frame& frame) {
    const Game game = game_of(jobs, job, columns);
    Histogram histogram;
    histogram.tile = tile_of(frame, blockIdx.y);
    const int words = histogram.tile.words();
    histogram.count = game.end;
    histogram.sum = game.end + words;
    const int end = histogram.sum + (COLOURED ? words : 0);
    for (int i = histogram.count + threadIdx.x; i < end; i += blockDim.x) word_at(i) = 0;
    if (threadIdx.x == 0) word_at(OUTSIDE) = word_at(DISCARDED) = 0;
    __syncthreads();
    Tally visit{game, histogram, projection_of(jobs.projection + (int64)job * 9), frame.height, frame.width, burn_in,
                (uint32)points[job], histogram.first(), histogram.stride(), 0, 0, {}};
    for (int r = 0; r < WALKERS; ++r) visit.shade[r] = 0.5f;
    float x[WALKERS], y[WALKERS];
    begin_walkers(jobs, job, game, x, y);
    const int each = ROWS * columns;
    const int steps = burn_in + (int)((points[job] + each - 1) / each);
    play(game, steps, Offsets::BY_ROW, x, y, visit);
    atomicAdd(&word_at(OUTSIDE), visit.outside);
    atomicAdd(&word_at(DISCARDED), visit.discarded);
    __syncthreads();
    return histogram;
}

// The sum of a pixel's 3 x 3 neighbourhood; nothing lies outside the frame.
DEVICE uint32 box3(const Tile& tile, int counts, int row, int column) {
    uint32 sum = 0;
    for (int i = most(row - 1, tile.y0); i < least(row + 2, tile.y1); ++i)
        for (int k = most(column - 1, tile.x0); k < least(column + 2, tile.x1); ++k) sum += word_at(counts + tile.place(i, k));
    return sum;
}

// Call `pixel(row, column, place)` for every pixel of a tile, `place` being its index in all frames (J, H, W).
template <class Pixel> DEVICE void each_pixel(const Tile& tile, const Frame& frame, int job, Pixel pixel) {
    const int across = tile.right - tile.left, count = (tile.bottom - tile.top) * across;
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        const int row = tile.top + i / across, column = tile.left + i % across;
        pixel(row, column, ((int64)job * frame.height + row) * frame.width + column);
    }
}
