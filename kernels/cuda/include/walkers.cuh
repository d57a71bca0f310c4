// Rows of walkers: how they begin, choose their maps, move and restart; the same choices as kernels/cpu/walkers.py makes.
//
// R rows of C columns of walkers read one table of who owns each column, every row from an offset of its own, drawn
// afresh each step; the table is drawn anew every STEPS_OF_A_TABLE steps. A block plays one job. Which of its threads has
// which walkers is of no consequence: a thread has WALKERS of them, in one column and rows that are blockDim.x / C apart.
#pragma once
#include "picture.cuh"
#include "portable.cuh"
#include "random.cuh"
#include "variations.cuh"

constexpr int STEPS_OF_A_TABLE = 16;
constexpr int ROWS = 4;
constexpr int COEFFICIENTS = 6;
constexpr int PARAMS = 4;

#ifndef WALKERS
#define WALKERS 1
#endif
#ifndef BLOCK
#define BLOCK 1024
#endif

// A batch as `kernels.Jobs` holds it; colour and start may be null.
struct Jobs {
    const int* fused;
    const float *maps, *weights;
    const int* variation;
    const float *amount, *params, *projection;
    const uint64* seed;
    const float *start, *colour;
    const uint32* scattering;
    int num_maps, num_summed, num_starts;
};
#define JOBS                                                                                                        \
    const int *fused, const float *maps, const float *weights, const int *variation, const float *amount,           \
        const float *params, const float *projection, const uint64 *seed, const float *start, const float *colour,  \
        const uint32 *scattering, int num_maps, int num_summed, int num_starts
#define THESE_JOBS                                                                                                  \
    Jobs {                                                                                                          \
        fused, maps, weights, variation, amount, params, projection, seed, start, colour, scattering, num_maps,     \
            num_summed, num_starts                                                                                  \
    }

// Shared memory, in words of 32 bits. Where things lie is counted from its beginning, mostly by constants: pointers would
// take two registers each, and loads that do not know that they read shared memory.
#ifdef __CUDACC__
extern __shared__ uint32 shared_words[];
#endif
DEVICE uint32& word_at(int place) { return shared_words[place]; }
DEVICE int& int_at(int place) { return ((int*)shared_words)[place]; }
DEVICE float& float_at(int place) { return ((float*)shared_words)[place]; }
DEVICE const float* floats_at(int place) { return (const float*)shared_words + place; }

constexpr int COLUMNS = 256;
constexpr int OFFSET = 0;                                 // of each row and step until the next assignment of columns
constexpr int STRIDE = OFFSET + STEPS_OF_A_TABLE * ROWS;  // and shift, of the scattering of columns
constexpr int OUTSIDE = STRIDE + 2;                       // how many points fell beside the frame
constexpr int DISCARDED = OUTSIDE + 1;                    // and how many escaped
constexpr int FUSED = DISCARDED + 1;                      // the variation that serves all maps of the job, or SUMMED
constexpr int OWNER = FUSED + 1;                          // the map that owns each column
constexpr int MAP = OWNER + COLUMNS;                      // and from here on the tables of a job's maps

// A job: where its tables begin, and its numbers.
struct Game {
    int weight, variation, amount, params, colour, edge, end;
    int num_maps, num_summed, columns;
    const uint64* seed;
    const uint32* scattering;
};

// Copy words to a place in shared memory; returns the place behind them.
template <class T> DEVICE int copied(const T* from, int count, int place) {
    for (int i = threadIdx.x; i < count; i += blockDim.x) word_at(place + i) = ((const uint32*)from)[i];
    return place + count;
}

// Lay out a job's tables; `end` is what comes behind them (`fractalvid.kernels.cuda.game` counts it too). To be followed by a barrier.
DEVICE Game game_of(const Jobs& jobs, int job, int columns) {
    const int n = jobs.num_maps, summed = n * jobs.num_summed;
    Game game;
    copied(jobs.fused + job, 1, FUSED);
    game.weight = copied(jobs.maps + (int64)job * n * COEFFICIENTS, n * COEFFICIENTS, MAP);
    game.variation = copied(jobs.weights + (int64)job * n, n, game.weight);
    game.amount = copied(jobs.variation + (int64)job * summed, summed, game.variation);
    game.params = copied(jobs.amount + (int64)job * summed, summed, game.amount);
    game.colour = copied(jobs.params + (int64)job * summed * PARAMS, summed * PARAMS, game.params);
    game.edge = game.colour + n;
    if (jobs.colour != nullptr) copied(jobs.colour + (int64)job * n, n, game.colour);
    game.end = game.edge + n;
    game.seed = jobs.seed + job;
    game.scattering = jobs.scattering + columns;
    game.num_maps = n;
    game.num_summed = jobs.num_summed;
    game.columns = columns;
    return game;
}

// Where each map's block of columns ends: weights in exact shares, rounded by one uniform offset for all.
DEVICE void draw_edges(const Game& game, int step) {
    const float shift = unit(draw(*game.seed, step, 0, SHARES).word[0]);
    int final = 0;
    for (int m = 0; m < game.num_maps; ++m) final = float_at(game.weight + m) > 0.0f ? m : final;
    float total = 0.0f;
    int last = 0;
    for (int m = 0; m < game.num_maps; ++m) {
        total += float_at(game.weight + m);
        int edge = (int)floor_of(total * (float)game.columns + shift);
        edge = edge < last ? last : edge;
        // What rounding leaves over goes to the last map that there is, never to one of weight 0.
        edge = m < final && edge < game.columns ? edge : game.columns;
        int_at(game.edge + m) = last = edge;
    }
}

// The offset of a row in a step, from the words of that step.
DEVICE int offset_of(uint32 word, int columns) { return (int)high_word(word, (uint32)columns); }

// The map that owns a column.
DEVICE int owner_of(const Game& game, int column) {
    const int place = (game.scattering[column] * word_at(STRIDE) + word_at(STRIDE + 1)) & (uint32)(game.columns - 1);
    int m = 0;
    while (int_at(game.edge + m) <= place) ++m;
    return m;
}

// Whether each row has a word of a step's four for its offset, or each step one of four steps' words, for a single row.
enum class Offsets { BY_ROW, BY_STEP };

// Draw who owns each column, and the offsets of STEPS_OF_A_TABLE steps from `step` on.
DEVICE void assign_columns(const Game& game, int step, Offsets offsets) {
    const int me = threadIdx.x;
    __syncthreads();  // Nobody reads the last tables any more.
    if (me < STEPS_OF_A_TABLE) {
        if (offsets == Offsets::BY_ROW) {
            const Words words = draw(*game.seed, step + me, 0, OFFSETS);
            for (int r = 0; r < ROWS; ++r) int_at(OFFSET + me * ROWS + r) = offset_of(words.word[r], game.columns);
        } else {
            const Words words = draw(*game.seed, (step + me) & ~3, 0, OFFSETS);
            int_at(OFFSET + me * ROWS) = offset_of(words.word[me & 3], game.columns);
        }
    } else if (me == STEPS_OF_A_TABLE) {
        draw_edges(game, step);
    } else if (me == STEPS_OF_A_TABLE + 1) {
        const Words words = draw(*game.seed, step, 0, SCATTERING);
        word_at(STRIDE) = words.word[0] | 1u;
        word_at(STRIDE + 1) = words.word[1];
    }
    __syncthreads();
    for (int k = me; k < game.columns; k += blockDim.x) int_at(OWNER + k) = owner_of(game, k);
    __syncthreads();
}

DEVICE Point affine(const float* map, float x, float y) {
    return {map[0] * x + map[1] * y + map[2], map[3] * x + map[4] * y + map[5]};
}

// What the random numbers of a variation are drawn by.
struct DrawKey { const uint64* seed; int step, row; };

template <int NUMBER>
DEVICE Point varied(Point p, const float* map, const float* params, const DrawKey& draw_key, uint32 lane) {
    Key key{0, 0};
    if (Traits<NUMBER>::DRAWS) key = variation_key(*draw_key.seed, draw_key.step, draw_key.row, NUMBER);
    return Traits<NUMBER>::apply(p.first, p.second, map, params, key, lane);
}

// A variation by number, one of those that sums take in these jobs.
#ifdef __CUDACC__
__device__ __noinline__
#else
static
#endif
Point varied_by(int number, Point p, const float* map, const float* params, DrawKey draw_key, uint32 lane) {
    switch (number) {
#define ONE(NUMBER) \
    case NUMBER: return varied<NUMBER>(p, map, params, draw_key, lane);
        EACH_SUMMED(ONE)
#undef ONE
    }
    return {infinity(), infinity()};  // Jobs that take what they were not said to: nothing is drawn.
}

constexpr int SUMMED = -1;  // in place of a number, as in kernels/jobs.py

// One step of a walker in a lane, whose map is `m`. A fused variation is the first summand of every map, at amount 1.
template <int NUMBER> DEVICE Point moved(const Game& game, int m, float x, float y, const DrawKey& draw_key, uint32 lane) {
    const float* map = floats_at(MAP + m * COEFFICIENTS);
    const Point p = affine(map, x, y);
    const int first = m * game.num_summed;
    if constexpr (NUMBER != SUMMED) {
        return varied<NUMBER>(p, map, floats_at(game.params + first * PARAMS), draw_key, lane);
    } else {
        Point sum{0.0f, 0.0f};
        for (int i = first; i < first + game.num_summed; ++i) {
            const float amount = float_at(game.amount + i);
            if (amount == 0.0f) continue;
            const Point q = varied_by(int_at(game.variation + i), p, map, floats_at(game.params + i * PARAMS), draw_key, lane);
            sum.first += amount * q.first;
            sum.second += amount * q.second;
        }
        return sum;
    }
}

DEVICE Point first_point(const Jobs& jobs, int job, uint64 seed, int walker) {
    if (jobs.num_starts == 0) return uniform_point(seed, walker, 0, START);
    const float* start = jobs.start + ((int64)job * jobs.num_starts + walker % jobs.num_starts) * 2;
    return {start[0], start[1]};
}

// Walk `steps` steps: after each, `visit(r, row, column, step, m, x, y)` sees the walker, the r-th of this thread, and may
// put it elsewhere. `x` and `y` are the walkers' places, WALKERS of them.
template <int NUMBER, class Visit>
DEVICE void walk(const Game& game, int steps, Offsets offsets, float (&x)[WALKERS], float (&y)[WALKERS], Visit& visit) {
    const int column = threadIdx.x & (game.columns - 1);
    const int row = threadIdx.x / game.columns, row_step = blockDim.x / game.columns;
    for (int begin = 0; begin < steps; begin += STEPS_OF_A_TABLE) {
        assign_columns(game, begin, offsets);
        const int end = begin + STEPS_OF_A_TABLE < steps ? begin + STEPS_OF_A_TABLE : steps;
#ifdef __CUDACC__
#pragma unroll 1
#endif
        for (int step = begin; step < end; ++step) {
#ifdef __CUDACC__
#pragma unroll
#endif
            for (int r = 0; r < WALKERS; ++r) {
                const int own = row + r * row_step;
                const int offset = int_at(OFFSET + (step - begin) * ROWS + own);
                const int m = int_at(OWNER + ((column + offset) & (game.columns - 1)));
                const Point p = moved<NUMBER>(game, m, x[r], y[r], DrawKey{game.seed, step, own}, column);
                x[r] = p.first;
                y[r] = p.second;
                visit(r, own, column, step, m, x[r], y[r]);
            }
        }
    }
}

// The same, for the variation that the job takes, which must be among EACH_FUSED, or else the summands of its maps among
// EACH_SUMMED: a loop for each of all 49 would take minutes to compile. All threads of a block take the same branch.
template <class Visit>
DEVICE void play(const Game& game, int steps, Offsets offsets, float (&x)[WALKERS], float (&y)[WALKERS], Visit& visit) {
    switch (int_at(FUSED)) {
#define ONE(NUMBER)                                              \
    case NUMBER:                                                 \
        walk<NUMBER>(game, steps, offsets, x, y, visit);         \
        break;
        EACH_FUSED(ONE)
#undef ONE
        default: walk<SUMMED>(game, steps, offsets, x, y, visit);
    }
}

DEVICE void begin_walkers(const Jobs& jobs, int job, const Game& game, float (&x)[WALKERS], float (&y)[WALKERS]) {
    const int column = threadIdx.x & (game.columns - 1);
    const int row = threadIdx.x / game.columns, row_step = blockDim.x / game.columns;
    for (int r = 0; r < WALKERS; ++r) {
        const Point p = first_point(jobs, job, *game.seed, (row + r * row_step) * game.columns + column);
        x[r] = p.first;
        y[r] = p.second;
    }
}
